"""Filters over pages, bulk changes of what matches, and waiting for running jobs to stop. On the memory store, in one process."""

from collections.abc import Callable, Sequence
from io import StringIO
from typing import Any

import pytest
from msgspec.structs import replace

from jq_cli import lifecycle
from jq_cli.backends.memory.backend import MemoryBackend
from jq_cli.change import Change, Verdict
from jq_cli.cli.stopping import Stopping
from jq_cli.client import PAGE, Client
from jq_cli.consumer import Consumer
from jq_cli.draft import make_draft
from jq_cli.errors import Conflict, JqError, TimedOut
from jq_cli.ids import new_id, nonce
from jq_cli.job import Job
from jq_cli.lifecycle import Outcome
from jq_cli.testing.clock import ManualClock
from jq_cli.triage.bulk import Bulk, Result, Unmatched, known_by
from jq_cli.triage.filter import JobFilter
from jq_cli.view.list_jobs import Looked


class Meddled(MemoryBackend):
    """Does something before the next change."""

    meanwhile: Callable[[], None] | None = None

    def replace(self, changes: Sequence[Change]) -> list[Verdict]:
        if self.meanwhile is not None:
            meddle, self.meanwhile = self.meanwhile, None
            meddle()
        return super().replace(changes)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def backend(clock: ManualClock) -> Meddled:
    return Meddled(clock)


@pytest.fixture
def client(backend: Meddled) -> Client:
    return Client(backend)


def put(backend: Meddled, *payloads: bytes) -> list[str]:
    drafts = [make_draft(Job(id=new_id(), queue="q", payload=payload)) for payload in payloads]
    backend.insert(drafts)
    return [draft.job.id for draft in drafts]


def dead(backend: Meddled, count: int) -> list[str]:
    ids = put(backend, *(b'{"n": %d}' % n for n in range(count)))
    consumer = Consumer(backend)
    jobs = consumer.claim(["q"], count)
    consumer.write([consumer.settle(job, Outcome("permanent", error="x")) for job in jobs])
    return ids


def test_a_filter_looks_page_by_page_and_tells_how_far_it_came(backend: Meddled, client: Client) -> None:
    ids = dead(backend, 2 * PAGE + 50)
    seen: list[int] = []
    found = client.matching("q", ["ready", "dead"], JobFilter(payload=["n~?"]), backend.now(), seen=seen.append)
    first = next(found)
    assert (first.id, seen) == (ids[0], [0])
    assert [job.id for job in found] == ids[1:10]
    assert seen == [0, PAGE, PAGE, 50]


def test_a_search_tells_its_bar_what_was_found_and_looked_at_of_all(
    backend: Meddled, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead(backend, PAGE + 50)
    steps: list[tuple[Any, ...]] = []
    monkeypatch.setattr("jq_cli.view.list_jobs.Bar.step", lambda self, *told: steps.append(told))
    looked = Looked(client, backend.counts(["q"]), ["dead"], JobFilter(payload=["n~1*"]), reverse=False, color=False)
    found = len(list(looked))
    assert steps == [("search", steps[0][1], PAGE, PAGE + 50), ("search", found, PAGE + 50, PAGE + 50)]


class Terminal(StringIO):
    """A stream that a person looks at."""

    def isatty(self) -> bool:
        return True


def test_a_search_shows_a_bar_on_a_terminal_and_takes_it_away(
    backend: Meddled, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead(backend, 2 * PAGE)
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setattr("jq_cli.view.bar.PATIENCE", 0)
    monkeypatch.setattr("jq_cli.view.bar.REDRAW", 0)
    looked = Looked(client, backend.counts(["q"]), ["dead"], JobFilter(payload=["n=1"]), reverse=False, color=False)
    assert len(list(looked)) == 1
    assert "search" in terminal.getvalue()
    assert "50%" in terminal.getvalue()
    assert "jobs: 1" in terminal.getvalue()
    looked.close()
    gone = len(terminal.getvalue())
    looked._step(1)
    assert len(terminal.getvalue()) == gone


def changed(client: Client, chosen: Callable[[Job], bool], *, ids: list[str] | None = None) -> list[Result]:
    results: list[Result] = []
    bulk = Bulk(client, lifecycle.requeue, results.extend, chosen=chosen)
    if ids is None:
        bulk.every("q", "dead", 1_000)
    else:
        bulk.named("q", ids)
    return results


def edit(backend: Meddled, id: str, payload: bytes) -> None:
    [job] = backend.get("q", [id])
    assert job is not None
    change = replace(lifecycle.requeue(job, nonce()), job=replace(job, payload=payload), payload=True)
    assert MemoryBackend.replace(backend, [change]) == ["applied"]


def test_a_job_that_stopped_matching_between_look_and_write_is_left_alone(backend: Meddled, client: Client) -> None:
    ids = dead(backend, 3)
    matches = JobFilter(payload=["n=0"])
    backend.meanwhile = lambda: edit(backend, ids[0], b'{"n": 7}')
    assert changed(client, lambda job: matches.matches(job, 0)) == []
    assert backend.counts(["q"])[0].states["dead"] == 3


def test_a_named_job_that_does_not_match_is_told_apart_from_one_that_cannot_be_changed(
    backend: Meddled, client: Client
) -> None:
    [a, b], [ready] = dead(backend, 2), put(backend, b'{"n": 1}')
    matches = JobFilter(payload=["n=1"])
    results = {
        result.id: result.error for result in changed(client, lambda job: matches.matches(job, 0), ids=[a, b, ready])
    }
    assert results[b] is None
    assert isinstance(results[a], Unmatched)
    assert isinstance(results[ready], Conflict)
    assert not isinstance(results[ready], Unmatched)


def test_what_came_after_the_count_is_for_the_next_call(backend: Meddled, client: Client, clock: ManualClock) -> None:
    before = dead(backend, 3)
    counted_at = backend.now()
    clock.advance(1)
    dead(backend, 2)
    assert [result.id for result in changed(client, known_by(counted_at))] == before


def test_no_more_than_was_counted_is_changed_across_pages(backend: Meddled, client: Client) -> None:
    dead(backend, 3 * PAGE)
    results: list[Result] = []
    bulk = Bulk(client, lifecycle.requeue, results.extend, chosen=lambda job: b"1" in job.payload)
    assert bulk.every("q", "dead", 30) == len(results) == 30


# --- stopping ---


class Told:
    """What a wait for running jobs told."""

    def __init__(self, client: Client, ids: list[str], wait: float) -> None:
        self.done: list[str] = []
        self.failed: list[JqError] = []
        self.left: list[int] = []
        Stopping(
            client,
            [("q", id) for id in ids],
            wait=wait,
            done=lambda queue, id: self.done.append(id),
            failed=self.failed.append,
            looked=lambda left: self.left.append(len(left)),
        ).run()


def running(backend: Meddled, count: int, lease: int = 60_000) -> tuple[Consumer, list[Job]]:
    put(backend, *[b"1"] * count)
    consumer = Consumer(backend, lease=lease)
    return consumer, consumer.claim(["q"], count)


def asked(backend: Meddled, jobs: list[Job]) -> None:
    assert set(backend.replace([lifecycle.cancel(job, nonce()) for job in jobs])) == {"applied"}


def test_each_job_that_was_asked_to_stop_is_told_once_as_the_store_shows_it(backend: Meddled, client: Client) -> None:
    consumer, jobs = running(backend, 4)
    asked(backend, jobs)
    stopped, finished, failed, still = jobs
    consumer.extend(jobs)
    marked = replace(stopped, stop=True)
    consumer.write(
        [
            consumer.settle(marked, Outcome("interrupted")),
            consumer.settle(finished, Outcome("succeeded")),
            consumer.settle(failed, Outcome("permanent", error="x")),
        ]
    )
    told = Told(client, [job.id for job in jobs], wait=0)
    assert told.done == [stopped.id]
    assert [str(error) for error in told.failed] == [
        f"job {finished.id} succeeded before it could be stopped",
        f"job {failed.id} died before it could be stopped",
        f"job {still.id} was asked to stop and still runs on {consumer.worker} after 0ms",
    ]
    assert isinstance(told.failed[-1], TimedOut)
    assert told.left == [1]


def test_a_job_whose_worker_is_gone_is_recovered_as_cancelled(
    backend: Meddled, client: Client, clock: ManualClock
) -> None:
    _, [job] = running(backend, 1, lease=1_000)
    asked(backend, [job])
    clock.advance(1_001)
    assert Told(client, [job.id], wait=20).done == [job.id]
    [now] = backend.get("q", [job.id])
    assert now is not None
    assert (now.state, now.losses) == ("cancelled", 1)


def test_a_job_that_was_given_back_before_its_worker_heard_is_cancelled_where_it_waits(
    backend: Meddled, client: Client
) -> None:
    consumer, [job] = running(backend, 1)
    asked(backend, [job])
    consumer.write([lifecycle.release(job)])
    assert [job.state for job in backend.get("q", [job.id]) if job is not None] == ["ready"]
    assert Told(client, [job.id], wait=20).done == [job.id]


def test_a_job_that_is_gone_has_stopped(backend: Meddled, client: Client) -> None:
    assert Told(client, [new_id()], wait=0).left == [0]
