"""Waiting for jobs from the command line: what is shown meanwhile, what is told of each end, and what the exit code is then."""

import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing

from jq_cli.cli.session import say
from jq_cli.cli.wait_options import OwnCode, Wish
from jq_cli.client import Client
from jq_cli.errors import BackendUnreachable, PartlyDone, TimedOut, UsageError
from jq_cli.job import Job, gist
from jq_cli.task import SideRecord
from jq_cli.view.records import Record, json_value
from jq_cli.view.wait_line import WaitLine
from jq_cli.waiting import EXIT_CODES, POLL, Finished, Waiter, own_code

SHOW_EVERY = 1.0


class Vigil:
    """Waits for jobs and tells of their ends. `tell` gets each end with the output kept of it, for stdout."""

    def __init__(self, client: Client, wish: Wish, tell: Callable[[Finished, SideRecord | None], None]) -> None:
        self._client = client
        self._wish = wish
        self._tell = tell
        self._line = WaitLine(sys.stderr, client)
        self._ends: list[int] = []

    def keep(self, jobs: Iterable[tuple[str, str]], *, ended: Finished | None = None, missing: int = 0) -> None:
        """Wait, and end the command as its exit code says. `ended`: an end that is known already; `missing`: how many
        jobs were not there, each reported."""
        waiter = Waiter(
            self._client,
            jobs,
            timeout=self._wish.timeout,
            most=SHOW_EVERY if self._line.shown else POLL,
            looked=self._line.looked,
            say=self._say,
        )
        try:
            if ended is not None:
                self._ended(ended)
            self._follow(waiter)
        except (KeyboardInterrupt, TimedOut, BackendUnreachable) as error:
            self._leave(waiter, error)
            raise
        self._end([*self._ends, *[EXIT_CODES["removed"]] * missing])

    def _ended(self, end: Finished) -> None:
        self._line.clear()
        record = self._client.output(end.queue, end.id) if end.job is not None else None
        story = _story(end)
        if story:
            say(story)
        if self._wish.output and record is not None:
            _write_output(record)
        self._tell(end, record)
        sys.stdout.flush()
        if self._wish.exit_code:
            self._end_as_the_job(end, record)
        self._ends.append(EXIT_CODES[end.how])

    def _follow(self, waiter: Waiter) -> None:
        with closing(waiter.finished()) as ends:
            for end in ends:
                self._ended(end)
                if self._wish.first:
                    return

    def _leave(self, waiter: Waiter, error: BaseException) -> None:
        self._line.clear()
        ids = [id for queue in waiter.left.values() for id in queue]
        if ids and not isinstance(error, TimedOut):
            say_left(ids)

    def _end_as_the_job(self, end: Finished, record: SideRecord | None) -> None:
        code = None if end.job is None else own_code(end.job, record)
        if code is not None:
            raise OwnCode(code)
        say(f"job {end.id} has no exit code of its own: it was not ended by a command ({end.how})")

    def _end(self, codes: Sequence[int]) -> None:
        if self._wish.first:
            codes = self._ends or codes
        if any(codes):
            raise SystemExit(codes[0] if len(codes) == 1 else PartlyDone.exit_code)

    def _say(self, text: str) -> None:
        self._line.clear()
        say(text)


def outcome_record(end: Finished, record: SideRecord | None) -> Record:
    """An end for programs. `outcome` is the word that the exit code stands for."""
    job = end.job or Job()
    result = bytes(job.result)
    return {
        "id": end.id,
        "queue": end.queue,
        "outcome": end.how,
        "reason": job.reason,
        "error": job.last_error if end.how != "succeeded" else None,
        "result": json_value(result) if result else None,
        "exit_code": own_code(job, record) if end.job is not None else None,
    }


def say_left(ids: Sequence[str]) -> None:
    """For people who end the waiting: that the jobs do not end with it, and how to wait again."""
    many = f"{len(ids):,} jobs go on" if len(ids) > 1 else f"job {ids[0]} goes on"
    say(f"no longer waiting; {many}: jq wait {' '.join(ids[:5])}{' ...' if len(ids) > 5 else ''}")


def refuse_memory(client: Client) -> None:
    """Raises UsageError on the memory store: nobody else can run a job of this process."""
    if client.backend.url.startswith("memory:"):
        raise UsageError("no worker can see the memory store of this command, so waiting would never end")


def _story(end: Finished) -> str:
    """For people, about an end that is no success."""
    if end.job is None:
        return f"job {end.id} on {end.queue} is gone: removed, or ended and not kept; how it ended is not known"
    if end.how == "succeeded":
        return ""
    if end.how == "cancelled":
        return f"job {end.id} on {end.queue} was cancelled"
    return f"job {end.id} on {end.queue} is dead ({end.job.reason}): {gist(end.job.last_error or '')[:400]}"


def _write_output(record: SideRecord) -> None:
    for name, stream in (("stdout", sys.stdout), ("stderr", sys.stderr)):
        dropped: int = getattr(record, f"{name}_dropped")
        if dropped:
            say(f"of the job's {name} only the end was kept; the first {dropped:,} bytes are missing")
        if stream is not None:
            stream.flush()
            stream.buffer.write(record.bytes_of("stdout" if name == "stdout" else "stderr"))
            stream.buffer.flush()
