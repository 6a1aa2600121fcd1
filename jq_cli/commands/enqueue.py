"""`jq enqueue`: put one job on a queue, or many from NDJSON."""

from typing import Any

import click

from jq_cli.cli import options, suggestions
from jq_cli.cli.enqueue_one import enqueue_one, run_one
from jq_cli.cli.job_options import absolute, job_options, shared_line
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session
from jq_cli.cli.wait_options import WaitCommand, wait_options, wish_of
from jq_cli.errors import UsageError

HELP = """Put one job on a queue and print its id; or many from NDJSON and print how many.

PAYLOAD is JSON; text that is not JSON is stored as a string; - reads it from stdin. With --from each line is an object with
`payload` and any of queue, id, priority, delay, ttl, max_retries, max_losses, delivery, backoff, timeout, retention,
dedup_key, dedup_ttl, dedup_until, idempotency_key, idempotency_ttl, headers; what a line says wins over the options here.

A duplicate makes no job: the first job's id is printed, and stderr says so.
"""

_ONE_JOB = ("id", "dedup_key", "idempotency_key")


@options.command("enqueue", HELP, cls=WaitCommand)
@click.argument("queue", required=False, shell_complete=suggestions.queues)
@click.argument("payload", required=False)
@click.option("--from", "source", metavar="FILE|-", help="Read NDJSON, one job a line. A file is checked whole first.")
@job_options
@click.option("--raw", is_flag=True, help="With --from: each line is a bare payload.")
@click.option("--skip-lines", type=click.IntRange(0), metavar="N", help="With --from: continue after line N.")
@click.option("--skip-invalid", is_flag=True, help="With --from: report invalid lines and skip them.")
@click.option("-v", "--verbose", is_flag=True, help="With --from: print the ids.")
@click.option("--wait", is_flag=True, help="Wait for the job's end: exit code 0, or 11 dead, 12 cancelled, 13 expired.")
@wait_options
@pass_session
def command(session: Session, /, queue: str | None, payload: str | None, source: str | None, **given: Any) -> None:
    """Enqueue from the arguments or from lines."""
    wait = given.pop("wait")
    if not wait:
        _refuse(given, ("wait_timeout", "exit_code", "output"), "needs --wait")
    wish = wish_of(given)
    if source is not None:
        if wait:
            raise UsageError("--wait is for one job; for many: jq enqueue QUEUE --from FILE -v | jq wait -")
        _enqueue_many(session, queue, payload, source, given)
        return
    _refuse(given, ("raw", "skip_lines", "skip_invalid", "verbose"), "needs --from")
    if queue is None or payload is None:
        raise UsageError("name a queue and a payload: jq enqueue QUEUE PAYLOAD, or jq enqueue QUEUE --from FILE")
    if wait:
        run_one(session, queue, payload, given, wish)
    else:
        enqueue_one(session, queue, payload, given)


def _enqueue_many(session: Session, queue: str | None, payload: str | None, source: str, given: dict[str, Any]) -> None:
    _refuse(given, _ONE_JOB, "is for one job; write it into the lines")
    if payload is not None:
        raise UsageError("--from takes the place of the payload; give one of the two")
    from jq_cli.intake.enqueue_lines import enqueue_lines

    enqueue_lines(session, queue, source, shared_line(given), at=absolute(given), **_many_options(given))


def _refuse(given: dict[str, Any], names: tuple[str, ...], why: str) -> None:
    for name in names:
        if given[name]:
            raise UsageError(f"--{name.replace('_', '-')} {why}")


def _many_options(given: dict[str, Any]) -> dict[str, Any]:
    names = ("raw", "as_text", "skip_lines", "skip_invalid", "fail_on_duplicate", "verbose", "as_json")
    return {name: given[name] for name in names}
