"""Enqueues one job that the command line describes, tells what became of it, and waits for its end if that was asked for."""

import os
import sys
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from jq_cli.backends.base import Inserted
from jq_cli.cli.job_options import absolute, shared_line
from jq_cli.cli.session import Session, say
from jq_cli.client import Client
from jq_cli.draft import Draft, Line, parse_payload, seconds
from jq_cli.errors import Conflict, IdempotencyMismatch, InvalidField, UsageError
from jq_cli.intake.drafting import Drafter, delayed_until
from jq_cli.job import Job
from jq_cli.task import SideRecord
from jq_cli.view.safe_text import safe_json

if TYPE_CHECKING:  # most commands do not wait
    from jq_cli.cli.wait_options import Wish
    from jq_cli.waiting import Finished

KEPT = 600.0
LEAST_KEPT = 60.0
"""Seconds for which a job that is waited for is kept at least once it ended: chosen by us, and what a user may choose."""


def enqueue_one(session: Session, queue: str, payload: str, given: dict[str, Any]) -> None:
    """Put one job on a queue and print its id."""
    order = _Order(session, queue, payload, given, shared_line(given))
    with session.client() as client:
        [answer] = client.enqueue([order.draft(client)])
    _demand_match(answer, queue)
    print(_json(answer, queue) if given["as_json"] else answer.id)
    _remark(answer)
    if answer.status != "created" and given["fail_on_duplicate"]:
        raise SystemExit(Conflict.exit_code)


def run_one(session: Session, queue: str, payload: str, given: dict[str, Any], wish: "Wish") -> None:
    """The same, and then wait for the job's end."""
    from jq_cli.cli.interrupts import Interrupts
    from jq_cli.cli.vigil import Vigil, outcome_record, refuse_memory, say_left

    if wish.output and given["as_json"]:
        raise UsageError("--output and --json exclude each other: both are for stdout")
    line = _kept(session, queue, shared_line(given))
    order = _Order(session, queue, payload, given, line)
    with session.client() as client, Interrupts() as interrupts:
        refuse_memory(client)
        draft = order.draft(client)
        try:
            with interrupts.held():
                [answer] = client.enqueue([draft])
                _demand_match(answer, queue)
                _announce(answer, quiet=given["as_json"], on_stderr=wish.output)
        except KeyboardInterrupt:
            say_left([draft.job.id])
            raise
        if answer.status != "created" and given["fail_on_duplicate"]:
            raise SystemExit(Conflict.exit_code)

        def tell(end: "Finished", record: SideRecord | None) -> None:
            if given["as_json"]:
                print(_json(answer, queue, outcome_record(end, record)))

        ended = _replayed(client, answer, queue)
        Vigil(client, wish, tell).keep([] if ended else [(queue, answer.id)], ended=ended)


class _Order:
    """A job as the command line describes it, checked before a store is opened."""

    def __init__(self, session: Session, queue: str, payload: str, given: dict[str, Any], line: Line) -> None:
        limit = session.settings.max_payload
        self._payload = parse_payload(_payload_bytes(payload, limit), as_text=given["as_text"], limit=limit)
        self._line, self._at, self._id = line, absolute(given), given["id"]
        self._drafter = Drafter(session.settings, queue, line)

    def draft(self, client: Client) -> Draft:
        """The draft. Asks the store for its time when the job is for a moment."""
        drafter = self._drafter
        if self._at is not None:
            line = delayed_until(self._line, self._at, client.backend.now())
            drafter = Drafter(client.settings, drafter.queue, line)
        return drafter.plain(self._payload, id=self._id)


def _kept(session: Session, queue: str, line: Line) -> Line:
    """The line with a retention that lets the job be found when it has ended, whatever its queue keeps."""
    if line.retention is None:
        return replace(line, retention=max(KEPT, session.settings.queue(queue).retention))
    if seconds(line.retention, "retention") < LEAST_KEPT:
        raise InvalidField(
            "retention", f"{line.retention} is too short: what is waited for must be kept for 1m or longer"
        )
    return line


def _payload_bytes(payload: str, limit: int) -> bytes:
    if payload != "-":
        return os.fsencode(payload)
    if sys.stdin is None:
        raise UsageError("stdin is closed, so no payload can be read from it")
    return sys.stdin.buffer.read(limit + 1).removesuffix(b"\n")


def _demand_match(answer: Inserted, queue: str) -> None:
    if answer.status == "mismatch":
        raise IdempotencyMismatch(f"job {answer.id} on {queue} used this idempotency key with another payload")


def _json(answer: Inserted, queue: str, outcome: Any = None) -> str:
    if outcome is None and answer.outcome:
        outcome = msgspec.Raw(answer.outcome)
    record = {"id": answer.id, "queue": queue, "status": answer.status, "outcome": outcome}
    return safe_json(msgspec.json.encode(record)).decode()


def _remark(answer: Inserted) -> None:
    if answer.status == "duplicate":
        say(f"duplicate: no job was made, {answer.id} is there already")
    elif answer.status == "replayed":
        say(f"replayed: no job was made, {answer.id} with this idempotency key has ended (--json shows its outcome)")


def _announce(answer: Inserted, *, quiet: bool, on_stderr: bool) -> None:
    """The id, at once: whoever loses patience needs it."""
    if on_stderr:
        say(f"job {answer.id}")
    elif not quiet:
        print(answer.id, flush=True)
    _remark(answer)


def _replayed(client: Client, answer: Inserted, queue: str) -> "Finished | None":
    """The end that an idempotency key remembers of a job that is not kept any more."""
    from jq_cli.waiting import Finished, how

    if answer.outcome is None or client.get(queue, [answer.id]) != [None]:
        return None
    stored = msgspec.json.decode(answer.outcome, type=dict[str, msgspec.Raw])
    told = {name: msgspec.json.decode(stored[name]) for name in ("state", "reason") if name in stored}
    error = msgspec.json.decode(stored["error"]) if "error" in stored else None
    job = Job(id=answer.id, queue=queue, last_error=error, result=stored.get("result", msgspec.Raw()), **told)
    return Finished(queue, answer.id, how(job), job)
