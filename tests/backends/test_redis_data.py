"""What the Redis backend stores, and what it does when somebody else has written there."""

import json
from collections.abc import Iterator

import msgspec
import pytest

from jq_cli.backends.base import Setting
from jq_cli.backends.redis.backend import RedisBackend
from jq_cli.backends.redis.batches import STEP
from jq_cli.backends.redis.keys import PARTS
from jq_cli.backends.redis.reader import IN_A_CALL
from jq_cli.consumer import Consumer
from jq_cli.draft import Draft
from jq_cli.ids import new_id
from jq_cli.job import FORMAT, Job, lease_of
from jq_cli.testing import ManualClock, check_structure
from tests.backends.redis_jobs import add, change, draft, opened, part, settle, states, statuses, take
from tests.servers import RedisServer


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def backend(redis_url: str, namespace: str, clock: ManualClock) -> Iterator[RedisBackend]:
    with opened(redis_url, namespace, clock=clock) as backend:
        yield backend


def everything(backend: RedisBackend) -> None:
    """Put a job into every state, and a key, a note and controls beside them."""
    backend.insert([draft(dedup_key="d", idempotency_key="i", headers={"a": "ü\n"}), draft(delay=5_000), draft()])
    add(backend, 4)
    good, bad, cancelled, *_ = take(backend, 4)
    settle(backend, good)
    settle(backend, bad, kind="permanent")
    backend.replace([change(cancelled, "failed")])
    backend.control("q", Setting(paused=True, reason='"quoted"'))
    backend.swap("note", None, b"{}")


# --- what is stored ---


def test_rows_leases_keys_and_controls_are_json_that_anybody_can_read(
    backend: RedisBackend, redis_server: RedisServer
) -> None:
    everything(backend)
    for name in ("jobs", "payloads", "leases", "keys"):
        stored = redis_server.command("HVALS", part(backend, name))
        assert stored
        assert all(isinstance(json.loads(value), dict) for value in stored)
    assert json.loads(redis_server.command("GET", part(backend, "controls")))["paused_reason"] == '"quoted"'
    rows = [json.loads(row) for row in redis_server.command("HVALS", part(backend, "jobs"))]
    assert {row.get("state", "ready") for row in rows} == {"ready", "scheduled", "succeeded", "dead"}


def test_no_key_has_a_time_to_live(backend: RedisBackend, redis_server: RedisServer, namespace: str) -> None:
    everything(backend)
    keys = redis_server.command("KEYS", f"{namespace}:*")
    assert len(keys) > 10
    assert {redis_server.command("TTL", key) for key in keys} == {-1}


def test_all_keys_of_a_queue_lie_in_one_slot(backend: RedisBackend) -> None:
    for queue in ("q", "A.b-c_9", "x" * 128):
        keys = [key.decode() for key in backend._keys.of((queue,))]
        assert len(set(keys)) == len(PARTS)
        # A cluster hashes what is between the first { and the next }.
        assert {key.partition("{")[2].partition("}")[0] for key in keys} == {queue}


def test_a_namespace_leaves_its_neighbours_alone(redis_url: str, namespace: str) -> None:
    with opened(redis_url, namespace) as one, opened(redis_url, namespace + ".b") as other:
        add(one)
        other.swap("n", None, b"1")
        assert (one.queues(), other.queues(), one.read(""), take(other)) == (["q"], [], {}, [])


def test_a_queued_job_of_two_hundred_bytes_takes_at_most_six_hundred(own_redis: RedisServer) -> None:
    def used() -> int:
        lines = own_redis.command("INFO", "memory").decode().splitlines()
        return int(next(line for line in lines if line.startswith("used_memory:")).partition(":")[2])

    with opened(own_redis.url) as backend:
        add(backend, 1_000)
        own_redis.command("MEMORY", "PURGE")
        before = used()
        add(backend, 20_000, payload=b'"' + b"x" * 198 + b'"')
        assert (used() - before) / 20_000 <= 600


def test_keys_with_braces_globs_and_quotes_are_only_text(backend: RedisBackend) -> None:
    for key in ("{q}", "*?[a-z]\\", '","until":null', "\n\0", "é" * 256):
        assert statuses(backend.insert([draft(dedup_key=key), draft(dedup_key=key)])) == ["created", "duplicate"]
        assert statuses(backend.insert([draft(idempotency_key=key)] * 1)) == ["created"]
        assert statuses(backend.insert([draft(idempotency_key=key, payload=b"2")])) == ["mismatch"]


def test_notes_are_read_by_prefixes_with_globs_in_them(backend: RedisBackend) -> None:
    notes = {key: key.encode() for key in ("a*b", "a*c", "ab", "a?b", "a[b]", "a\\b", "a^b-")}
    for key, note in notes.items():
        backend.swap(key, None, note)
    for prefix in ("", "a*", "a?", "a[", "a\\", "a^", "[", "*"):
        assert backend.read(prefix) == {key: note for key, note in notes.items() if key.startswith(prefix)}


def test_tokens_and_versions_may_hold_any_text(backend: RedisBackend) -> None:
    ids = add(backend, 3)
    nasty = '","version":"x","\\{'
    one, two, _ = take(backend, 3, nonce=nasty, worker='w"\\ü')
    assert [job.id for job in backend.held('w"\\ü')] == ids
    assert backend.extend([lease_of(one), lease_of(two)], lease=5_000).holds == ["held"] * 2
    (stored,) = backend.get("q", [one.id])
    assert stored is not None
    assert (stored.token, stored.version) == (f"1.{nasty}", f"1.{nasty}~{stored.lease_until}")
    assert settle(backend, one) == ["applied"]
    assert settle(backend, one, kind="succeeded") == ["already"]
    assert backend.get("q", [one.id])[0] is not None


# --- many at once ---


def test_a_claim_over_a_hundred_queues_takes_them_in_the_order_given(backend: RedisBackend) -> None:
    names = [f"q{n:03}" for n in range(100)]
    made = {name: add(backend, 2, queue=name) for name in reversed(names)}
    jobs = take(backend, 150, tuple(names))
    assert [job.id for job in jobs] == [id_ for name in names[:75] for id_ in made[name]]


def test_a_batch_over_many_queues_comes_back_in_its_order(backend: RedisBackend) -> None:
    drafts = [draft(queue=f"q{n % 7}") for n in range(3_000)]
    assert [each.id for each in backend.insert(drafts)] == [each.job.id for each in drafts]
    again = [draft(queue="q1"), *drafts[:3], draft(queue="q2")]
    assert statuses(backend.insert(again)) == ["created", "duplicate", "duplicate", "duplicate", "created"]


def test_thousands_of_changes_of_several_queues_are_answered_in_their_order(backend: RedisBackend) -> None:
    for queue in ("a", "b"):
        add(backend, 1_500, queue=queue)
    jobs = [job for queue in ("a", "b") for _ in range(2) for job in take(backend, 1_000, (queue,))]
    changes = [change(job) for pair in zip(jobs[:1_500], jobs[1_500:], strict=True) for job in pair]
    changes[7:7] = [changes[3], changes[3]]
    verdicts = backend.replace(changes)
    assert [n for n, verdict in enumerate(verdicts) if verdict != "applied"] == [7, 8]
    assert verdicts[7:9] == ["already"] * 2


def test_large_payloads_are_stored_and_handed_out_in_parts(backend: RedisBackend) -> None:
    payload = b'"' + b"x" * (1024 * 1024 - 2) + b'"'
    ids = add(backend, 24, payload=payload)
    taken: list[Job] = []
    while jobs := take(backend, 24):
        assert len(jobs) <= 16
        taken += jobs
    assert [job.id for job in taken] == ids
    assert {job.payload for job in taken} == {payload}


def test_a_queue_is_known_again_after_the_server_lost_everything(own_redis: RedisServer) -> None:
    with opened(own_redis.url) as backend:
        add(backend)
        own_redis.command("FLUSHALL")
        own_redis.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        add(backend)
        assert backend.queues() == ["q"]


# --- what others wrote ---


@pytest.mark.parametrize("index", ["ready", "scheduled"])
def test_an_id_without_a_row_is_skipped_and_swept_away(
    backend: RedisBackend, redis_server: RedisServer, index: str
) -> None:
    gone, *kept = add(backend, 3)
    redis_server.command("ZREM", part(backend, "ready"), gone)
    redis_server.command("ZADD", part(backend, index), 1, gone)
    redis_server.command("HDEL", part(backend, "jobs"), gone)
    assert [job.id for job in backend.page("q", "ready").jobs] == kept
    assert [job.id for job in take(backend, 3)] == kept
    assert redis_server.command("HEXISTS", part(backend, "payloads"), gone) == 0
    check_structure(backend)


def test_a_claim_passes_thousands_of_ids_without_rows(backend: RedisBackend, redis_server: RedisServer) -> None:
    kept = add(backend, 2, priority=-1)
    ghosts = [part_ for _ in range(2_500) for part_ in (1, new_id())]
    redis_server.command("ZADD", part(backend, "ready"), *ghosts)
    assert [job.id for job in take(backend, 2)] == kept


def test_a_due_id_without_a_row_is_swept_away(
    backend: RedisBackend, redis_server: RedisServer, clock: ManualClock
) -> None:
    gone, kept = add(backend, 2)
    take(backend, 2, lease=1_000)
    redis_server.command("HDEL", part(backend, "jobs"), gone)
    redis_server.command("ZADD", part(backend, "wake"), 1, new_id())
    clock.advance(1_000)
    assert [job.id for job in backend.due(10).jobs] == [kept]
    assert [
        redis_server.command(*c) for c in (("ZCARD", part(backend, "wake")), ("HLEN", part(backend, "leases")))
    ] == [0, 1]


def test_a_running_job_whose_row_was_deleted_can_still_be_settled(
    backend: RedisBackend, redis_server: RedisServer
) -> None:
    add(backend)
    (job,) = take(backend)
    redis_server.command("HDEL", part(backend, "jobs"), job.id)
    assert settle(backend, job) == ["applied"]
    assert states(backend) == {"succeeded": 1}


def test_a_job_without_its_payload_goes_to_the_dlq(backend: RedisBackend, redis_server: RedisServer) -> None:
    lost, kept = add(backend, 2)
    redis_server.command("HDEL", part(backend, "payloads"), lost)
    assert [job.id for job in Consumer(backend).claim(["q"], 2)] == [kept]
    (dead,) = backend.page("q", "dead").jobs
    assert (dead.id, dead.reason) == (lost, "undecodable")


@pytest.mark.parametrize("lease", [None, b"", b"{", b"[]", b'{"token":7,"version":"v","generation":"x"}', b"\xff"])
def test_a_job_whose_lease_is_gone_or_damaged_is_recovered(
    backend: RedisBackend, redis_server: RedisServer, clock: ManualClock, lease: bytes | None
) -> None:
    add(backend)
    (job,) = take(backend, lease=1_000)
    if lease is None:
        redis_server.command("HDEL", part(backend, "leases"), job.id)
    else:
        redis_server.command("HSET", part(backend, "leases"), job.id, lease)
    assert [each.state for each in backend.page("q", "running").jobs] == ["running"]
    assert settle(backend, job) == ["lost"]
    clock.advance(1_000)
    assert Consumer(backend).tick() == 1
    (again,) = take(backend)
    assert (again.id, again.losses) == (job.id, 1)


@pytest.mark.parametrize("controls", [b"", b"{", b"[]", b'"paused"', b'{"paused":"yes","max_running":"many"}', b"\xff"])
def test_damaged_controls_hold_nothing_up_and_can_be_set_again(
    backend: RedisBackend, redis_server: RedisServer, controls: bytes
) -> None:
    add(backend, 2)
    redis_server.command("SET", part(backend, "controls"), controls)
    assert len(take(backend)) == 1
    assert not backend.counts(["q"])[0].controls.paused
    assert backend.control("q", Setting(paused=True)).paused
    assert take(backend) == []


@pytest.mark.parametrize("record", [b"", b"{", b'{"job":1}', b'{"job":"x","until":"soon","fingerprint":""}', b"\xff"])
def test_a_damaged_unique_key_is_taken_as_if_it_were_free(
    backend: RedisBackend, redis_server: RedisServer, record: bytes
) -> None:
    for name in ("dedup:k", "idempotency:k"):
        redis_server.command("HSET", part(backend, "keys"), name, record)
    both = {"dedup_key": "k", "idempotency_key": "k"}
    assert statuses(backend.insert([draft(**both), draft(**both)])) == ["created", "duplicate"]


@pytest.mark.parametrize(
    "row", [b'{"generation":7,"priority":5,"created_at":1,', b'{"state":"unheard of"}', b'{"id":1}', b"\0"]
)
def test_a_damaged_row_is_shown_where_its_index_has_it(
    backend: RedisBackend, redis_server: RedisServer, clock: ManualClock, row: bytes
) -> None:
    waiting, ready, done = add(backend, delay=9_000)[0], *add(backend, 2, priority=3)
    settle(backend, *take(backend))
    done, ready = ready, done
    for id_ in (waiting, ready, done):
        redis_server.command("HSET", part(backend, "jobs"), id_, row)
    found = {job.id: job for job in backend.get("q", [waiting, ready, done]) if job}
    assert {id_: job.state for id_, job in found.items()} == {waiting: "scheduled", ready: "ready", done: "succeeded"}
    assert (found[ready].priority, found[ready].ready_at) == (3, clock.now)
    assert (found[waiting].ready_at, found[done].finished_at) == (clock.now + 9_000, clock.now)
    assert all(job.damaged and job.raw == row for job in found.values())
    check_structure(backend)


def test_a_newer_row_that_an_older_worker_wrote_again_is_whole_for_a_newer_one(
    backend: RedisBackend, redis_server: RedisServer
) -> None:
    (id_,) = add(backend)
    newer = b'{"format":%d,"max_retries":8,"wonder":[1.50]}' % (FORMAT + 1)
    redis_server.command("HSET", part(backend, "jobs"), id_, newer)
    assert Consumer(backend).claim(["q"]) == []
    row = redis_server.command("HGET", part(backend, "jobs"), id_)
    assert newer in row
    # The newer worker understands the body; here it is turned into one that this version understands.
    redis_server.command("HSET", part(backend, "jobs"), id_, row.replace(newer, b'{"max_retries":8}'))
    (job,) = backend.page("q", "scheduled").jobs
    assert (job.max_retries, job.format, job.extra) == (8, FORMAT, {})


def test_each_of_many_queues_is_counted_for_itself(backend: RedisBackend) -> None:
    names = [f"q{n:02}" for n in range(2 * IN_A_CALL + 1)]
    for n, name in enumerate(names):
        add(backend, n % 3, queue=name)
    counted = [(each.queue, each.states["ready"]) for each in backend.counts(names)]
    assert counted == [(name, n % 3) for n, name in enumerate(names)]


def expiring(queue: str, ms: int) -> Draft:
    return msgspec.structs.replace(draft(queue), expires_in=ms)


def test_what_is_due_in_many_queues_is_found_in_its_order(backend: RedisBackend, clock: ManualClock) -> None:
    names = [f"q{n:02}" for n in range(2 * IN_A_CALL + 1)]
    ids = [backend.insert([expiring(name, 1_000 - n)])[0].id for n, name in enumerate(names)]
    clock.advance(2_000)
    assert [job.id for job in backend.due(1_000).jobs] == ids[::-1]
    assert [job.id for job in backend.due(3).jobs] == ids[:-4:-1]


def test_a_queue_with_much_that_is_due_hides_nothing_in_the_others(backend: RedisBackend, clock: ManualClock) -> None:
    backend.insert([expiring("a", 2_000) for _ in range(STEP)])
    [first] = backend.insert([expiring("b", 1_000)])
    clock.advance(3_000)
    found = backend.due(STEP).jobs
    assert (found[0].id, len(found)) == (first.id, STEP)
