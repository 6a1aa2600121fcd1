"""How a stored body is overwritten in each of our backends."""

from msgspec.structs import replace

from jq_cli.backends.dynamodb.backend import DynamoBackend
from jq_cli.backends.memory.backend import MemoryBackend
from jq_cli.backends.objects.backend import ObjectsBackend
from jq_cli.backends.objects.step import Step
from jq_cli.backends.postgres.backend import PostgresBackend
from jq_cli.backends.redis.backend import RedisBackend
from jq_cli.backends.sqlite.backend import SqliteBackend
from jq_cli.job import HEAD, decode


def damage_memory(backend: MemoryBackend, queue: str, id: str, body: bytes) -> None:
    """Memory keeps jobs, not bodies: put what decoding such a body would give."""
    jobs = backend._queues[queue].jobs
    head = {name: getattr(jobs[id], name) for name in HEAD}
    jobs[id] = decode(body, payload=jobs[id].payload, **head)


def damage_redis(backend: RedisBackend, queue: str, id: str, body: bytes) -> None:
    """Redis keeps head and body as one row: nothing is left of it."""
    backend._client.call(("HSET", backend._keys.part(queue, "jobs"), id, body))


def damage_sqlite(backend: SqliteBackend, queue: str, id: str, body: bytes) -> None:
    """The body is a column of its own."""
    space = backend._space
    space.cursor.execute("UPDATE jobs SET body = ? WHERE queue = ? AND id = ?", (body, space.queue(queue), id))


def damage_postgres(backend: PostgresBackend, queue: str, id: str, body: bytes) -> None:
    """The body is a column of its own."""
    backend._link.rows(f"UPDATE {backend._in}.jobs SET body = %s WHERE id = %s", body, id)


def damage_objects(backend: ObjectsBackend, queue: str, id: str, body: bytes) -> None:
    """A commit that changes nothing but where the body lies."""

    def work(step: Step) -> None:
        row = step.tables.queue(queue).rows[id]
        step.row(queue, id, replace(row, body=step.shelf.put(body)))

    backend._log.write(work)


def damage_dynamodb(backend: DynamoBackend, queue: str, id: str, body: bytes) -> None:
    """The body is an attribute of its own."""
    pk, sk = backend._keys.job(queue, id)
    backend._client.begin()
    backend._client.call(
        "update_item",
        Key={"pk": {"S": pk}, "sk": {"S": sk}},
        UpdateExpression="SET body = :body",
        ExpressionAttributeValues={":body": {"B": body}},
    )
