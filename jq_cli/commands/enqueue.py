"""`jq enqueue`: put one job on a queue, or many from NDJSON."""

import os
import sys
from typing import Any

import click
import msgspec

from jq_cli.backends.base import Inserted
from jq_cli.cli import options, suggestions
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session, say
from jq_cli.draft import Line, parse_payload
from jq_cli.durations import parse_moment
from jq_cli.errors import Conflict, IdempotencyMismatch, InvalidField, UsageError
from jq_cli.intake.drafting import Drafter, delayed_until, parse_backoff

HELP = """Put one job on a queue and print its id; or many from NDJSON and print how many.

PAYLOAD is JSON; text that is not JSON is stored as a string; - reads it from stdin. With --from each line is an object with
`payload` and any of queue, id, priority, delay, ttl, max_retries, max_losses, delivery, backoff, timeout, retention,
dedup_key, dedup_ttl, dedup_until, idempotency_key, idempotency_ttl, headers; what a line says wins over the options here.

A duplicate makes no job: the first job's id is printed, and stderr says so.
"""

_ONE_JOB = ("id", "dedup_key", "idempotency_key")


@options.command("enqueue", HELP)
@click.argument("queue", required=False, shell_complete=suggestions.queues)
@click.argument("payload", required=False)
@click.option("--from", "source", metavar="FILE|-", help="Read NDJSON, one job a line. A file is checked whole first.")
@click.option("--delay", metavar="DURATION", help="Not before this has passed: 30s, 1h30m.")
@click.option("--at", metavar="MOMENT", help="Not before this moment: RFC 3339, +5m or a Unix time.")
@click.option("--priority", type=int, metavar="N", help="-1000 to 1000, higher first.")
@click.option("--retries", "max_retries", type=int, metavar="N", help="How often to retry after a failure.")
@click.option("--backoff", metavar="BASE[,FACTOR[,CAP[,JITTER]]]", help="Wait before retries: 1s or 1s,2,1h,0.1.")
@click.option("--timeout", metavar="DURATION", help="How long one execution may take.")
@click.option("--ttl", metavar="DURATION", help="Dead as expired when not started within this.")
@click.option("--dedup-key", metavar="KEY", help="Make no second job with this key.")
@click.option("--dedup-ttl", metavar="DURATION", help="How long the key holds; 10m unless given.")
@click.option("--dedup-until", metavar="ttl|done", help="done: the key holds until the job ends.")
@click.option("--idempotency-key", metavar="KEY", help="Enqueue again with this key to get the first job's outcome.")
@click.option("--idempotency-ttl", metavar="DURATION", help="How long the outcome is kept; 1d unless given.")
@click.option("--delivery", metavar="at_least_once|at_most_once", help="at_most_once is never started twice.")
@click.option("--header", "headers", multiple=True, metavar="KEY=VALUE", help="Text that travels with the job.")
@click.option("--id", metavar="ULID", help="The job's id, instead of a fresh one.")
@click.option("--retention", metavar="DURATION", help="How long to keep the finished job.")
@click.option("--text", "as_text", is_flag=True, help="Store the payload as a string, whatever it looks like.")
@click.option("--raw", is_flag=True, help="With --from: each line is a bare payload.")
@click.option("--skip-lines", type=click.IntRange(0), metavar="N", help="With --from: continue after line N.")
@click.option("--skip-invalid", is_flag=True, help="With --from: report invalid lines and skip them.")
@click.option("--fail-on-duplicate", is_flag=True, help="Exit with 4 when a job is a duplicate.")
@click.option("-v", "--verbose", is_flag=True, help="With --from: print the ids.")
@click.option("--json", "as_json", is_flag=True, help="Print what became of it as JSON.")
@pass_session
def command(session: Session, /, queue: str | None, payload: str | None, source: str | None, **given: Any) -> None:
    """Enqueue from the arguments or from lines."""
    if source is None:
        _refuse(given, ("raw", "skip_lines", "skip_invalid", "verbose"), "needs --from")
        if queue is None or payload is None:
            raise UsageError("name a queue and a payload: jq enqueue QUEUE PAYLOAD, or jq enqueue QUEUE --from FILE")
        _enqueue_one(session, queue, payload, given)
    else:
        _refuse(given, _ONE_JOB, "is for one job; write it into the lines")
        if payload is not None:
            raise UsageError("--from takes the place of the payload; give one of the two")
        from jq_cli.intake.enqueue_lines import enqueue_lines

        enqueue_lines(session, queue, source, _shared(given), at=_absolute(given), **_many_options(given))


def _refuse(given: dict[str, Any], names: tuple[str, ...], why: str) -> None:
    for name in names:
        if given[name]:
            raise UsageError(f"--{name.replace('_', '-')} {why}")


def _many_options(given: dict[str, Any]) -> dict[str, Any]:
    names = ("raw", "as_text", "skip_lines", "skip_invalid", "fail_on_duplicate", "verbose", "as_json")
    return {name: given[name] for name in names}


def _enqueue_one(session: Session, queue: str, payload: str, given: dict[str, Any]) -> None:
    limit = session.settings.max_payload
    data = parse_payload(_payload_bytes(payload, limit), as_text=given["as_text"], limit=limit)
    shared, at = _shared(given), _absolute(given)
    drafter = Drafter(session.settings, queue, shared)
    with session.client() as client:
        if at is not None:
            drafter = Drafter(session.settings, queue, delayed_until(shared, at, client.backend.now()))
        [answer] = client.enqueue([drafter.plain(data, id=given["id"])])
    _tell(answer, queue, as_json=given["as_json"])
    if answer.status != "created" and given["fail_on_duplicate"]:
        raise SystemExit(Conflict.exit_code)


def _payload_bytes(payload: str, limit: int) -> bytes:
    if payload != "-":
        return os.fsencode(payload)
    if sys.stdin is None:
        raise UsageError("stdin is closed, so no payload can be read from it")
    return sys.stdin.buffer.read(limit + 1).removesuffix(b"\n")


def _shared(given: dict[str, Any]) -> Line:
    if given["delay"] is not None and given["at"] is not None:
        raise UsageError("--delay and --at exclude each other")
    names = set(Line.__struct_fields__) & set(given) - {"id", "backoff", "headers"}
    line = Line(payload=msgspec.Raw(b"null"), **{name: given[name] for name in names})
    if given["at"] is not None and given["at"].startswith("+"):
        line.delay = given["at"][1:]
    line.backoff = parse_backoff(given["backoff"]) if given["backoff"] is not None else None
    line.headers = dict(map(_header, given["headers"])) or None
    return line


def _absolute(given: dict[str, Any]) -> int | None:
    at: str | None = given["at"]
    if at is not None and at.startswith("-"):
        raise InvalidField("at", f"{at[:40]!r} is in the past")
    return None if at is None or at.startswith("+") else parse_moment(at, 0, "at")


def _header(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise InvalidField("header", f"expected KEY=VALUE, got {text[:60]!r}")
    return name, value


def _tell(answer: Inserted, queue: str, *, as_json: bool) -> None:
    if answer.status == "mismatch":
        raise IdempotencyMismatch(f"job {answer.id} on {queue} used this idempotency key with another payload")
    if as_json:
        outcome = msgspec.Raw(answer.outcome) if answer.outcome else None
        record = {"id": answer.id, "queue": queue, "status": answer.status, "outcome": outcome}
        print(msgspec.json.encode(record).decode())
    else:
        print(answer.id)
    if answer.status == "duplicate":
        say(f"duplicate: no job was made, {answer.id} is there already")
    elif answer.status == "replayed":
        say(f"replayed: no job was made, {answer.id} with this idempotency key has ended (--json shows its outcome)")
