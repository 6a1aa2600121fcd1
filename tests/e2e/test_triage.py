"""Bulk actions on 100,000 dead jobs that are killed midway and called again; running jobs cancelled through a real worker."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

import pytest

from jq_cli.backends.base import Backend
from jq_cli.backends.registry import open_backend
from jq_cli.consumer import Consumer
from jq_cli.draft import make_draft
from jq_cli.ids import new_id
from jq_cli.job import STATES, Job
from jq_cli.lifecycle import Outcome
from tests.e2e.program import JQ, Program, descendants_of

MANY = 100_000
FEWER = 20_000
"""On other stores than the embedded one, unless the run is a long one."""
MILLION = 1_000_000
SOAK = int(os.environ.get("JQ_SOAK", "0"))
BATCH = 1_000
DEADLINE = 60.0


@contextmanager
def store_of(jq: Program) -> Iterator[Backend]:
    with open_backend(jq.env["JQ_BACKEND"], namespace=jq.env["JQ_NAMESPACE"]) as backend:
        yield backend


def until(condition: object, what: str) -> object:
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        if value := condition():  # type: ignore[operator]
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {DEADLINE:g} s for {what}")


# --- killed midway ---


def fill(backend: Backend, count: int) -> set[str]:
    """So many dead jobs on `q`; every second died of an error that begins with `odd`."""
    consumer, numbers, ids = Consumer(backend), iter(range(count)), set()
    while some := list(islice(numbers, BATCH)):
        drafts = [make_draft(Job(id=new_id(), queue="q", payload=b'{"n": %d}' % n)) for n in some]
        backend.insert(drafts)
        ids |= {draft.job.id for draft in drafts}
        ends = [Outcome("permanent", error=f"{'odd' if n % 2 else 'even'} number {n}") for n in some]
        jobs = consumer.claim(["q"], BATCH)
        consumer.write([consumer.settle(job, end) for job, end in zip(jobs, ends, strict=True)])
    return ids


def rows(backend: Backend) -> dict[str, dict[str, str]]:
    """Every job of `q` as its state shows it: id to version. Each must be in one state alone."""
    found: dict[str, dict[str, str]] = {state: {} for state in STATES}
    for state in STATES:
        cursor: str | None = None
        while True:
            page = backend.page("q", state, cursor=cursor, limit=BATCH)
            assert not found[state].keys() & {job.id for job in page.jobs}, "listed twice"
            found[state] |= {job.id: job.version for job in page.jobs}
            cursor = page.cursor
            if cursor is None:
                break
    ids = [id for listed in found.values() for id in listed]
    assert len(ids) == len(set(ids)), "in two states"
    return found


def killed_midway(jq: Program, *arguments: str) -> set[str]:
    """Starts a bulk action that tells what it changed, and kills it amid that. What it told."""
    process = subprocess.Popen(
        [JQ, *arguments, "-v"], env=jq.env, cwd=jq.folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    told = {line.strip() for line in islice(process.stdout, 1_000)}
    process.send_signal(signal.SIGKILL)
    # The last line may be cut in half.
    told |= {line.strip() for line in process.stdout if line.endswith("\n")}
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    return told


def peak_memory(jq: Program, *arguments: str) -> int:
    """MiB that a command takes at most. (Jobs of this test, all held at once, would take more than 100.)"""
    process = subprocess.Popen([JQ, *arguments], env=jq.env, stdout=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        with suppress(OSError, IndexError):
            status = Path(f"/proc/{process.pid}/status").read_text()
            peak = max(peak, int(status.split("VmHWM:")[1].split()[0]))
    assert (process.returncode, peak > 0) == (0, True)
    return peak // 1_024


@pytest.mark.slow
def test_a_requeue_killed_midway_loses_nothing_does_nothing_twice_and_finishes_when_called_again(jq: Program) -> None:
    with store_of(jq) as backend:
        many = MANY if SOAK or backend.url.startswith("sqlite:") else FEWER
        ids = fill(backend, many)
        requeue = ("dlq", "requeue", "q", "--error", "odd*", "--yes")
        told = killed_midway(jq, *requeue)
        after_kill = rows(backend)
        done, left = after_kill["ready"], after_kill["dead"]
        assert done.keys() | left.keys() == ids
        assert 0 < len(done) < many // 2
        assert told <= done.keys()

        again = set(jq(*requeue, "-v").splitlines())
        at_end = rows(backend)
        assert at_end["ready"].keys() | at_end["dead"].keys() == ids
        assert len(at_end["ready"]) == many // 2
        # What the first call changed, the second left alone; and so did both with what was not meant.
        assert again == at_end["ready"].keys() - done.keys()
        assert {id: at_end["ready"][id] for id in done} == done
        assert at_end["dead"].items() <= left.items()
        [counts] = backend.counts(["q"])
        assert (counts.states["ready"], counts.states["dead"]) == (many // 2, many // 2)

        assert peak_memory(jq, "ls", "q", "--payload", "n=-1", "-q") < 60
        assert peak_memory(jq, "ls", "q", "--group-by", "error") < 60
        killed_midway(jq, "dlq", "purge", "q", "--all", "--yes")
        left_dead = backend.counts(["q"])[0].states["dead"]
        assert 0 < left_dead < many // 2
        assert jq("dlq", "purge", "q", "--all", "--yes") == f"{left_dead}\n"
        purged = rows(backend)
        assert (purged["ready"], purged["dead"]) == (at_end["ready"], {})


@pytest.mark.skipif(not SOAK, reason="a longer run under JQ_SOAK")
@pytest.mark.parametrize("jq", ["sqlite", "redis", "postgres"], indirect=True)
def test_a_million_dead_jobs_are_filtered_and_counted_in_constant_memory(jq: Program) -> None:
    with store_of(jq) as backend:
        fill(backend, MILLION)
    assert peak_memory(jq, "dlq", "ls", "q", "--payload", "n=-1", "-q") < 60
    assert peak_memory(jq, "dlq", "ls", "q", "--error", "odd*", "--limit", "0", "-q") < 60
    assert peak_memory(jq, "dlq", "ls", "q", "--group-by", "error") < 60
    assert peak_memory(jq, "dlq", "requeue", "q", "--error", "odd*", "--dry-run") < 60
    assert jq("dlq", "requeue", "q", "--payload", "n=77", "--yes") == "1\n"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_bulk_action_tells_all_it_did_and_finishes_when_called_again(
    jq: Program, number: signal.Signals, code: int
) -> None:
    with store_of(jq) as backend:
        fill(backend, 3_000)
        process = subprocess.Popen(
            [JQ, "rm", "q", "--all", "--yes", "-v", "--rate", "2000/s"],
            env=jq.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=_hear_ctrl_c,
        )  # fmt: skip
        until(lambda: backend.counts(["q"])[0].states["dead"] < 3_000, "the first removals")
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        assert process.returncode == code, err
        left = backend.counts(["q"])[0].states["dead"]
        assert len(out.splitlines()) == 3_000 - left
        assert f"interrupted: {3_000 - left:,} removed; call it again to go on" in err
        assert jq("rm", "q", "--all", "--yes") == f"{left}\n"


def _hear_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


# --- cancelled while running ---

STUBBORN = """#!/bin/sh
trap '' TERM
sh -c 'trap "" TERM; while :; do sleep 0.1; done' &
while :; do sleep 0.1; done
"""


def test_a_running_job_that_ignores_sigterm_is_killed_with_all_it_started_and_the_store_confirms_it(
    jq: Program,
) -> None:
    script = jq.folder / "stubborn.sh"
    script.write_text(STUBBORN)
    script.chmod(0o755)
    ids = [jq("enqueue", "q", f'{{"n": {n}}}').strip() for n in range(3)]
    with jq.worker("q", "--processes", "1", "--grace", "500ms", "--", str(script)) as worker:
        until(lambda: jq.jobs("q", "running"), "the start")
        started = descendants_of(worker.process.pid)
        assert jq("cancel", ids[0]) == "1\n"
        [record] = [job for job in jq.jobs("q", "cancelled") if job["id"] == ids[0]]
        assert (record["reason"], record["failures"], record["losses"]) == ("cancelled", 0, 0)
        # The worker lives and has gone on to the next job; all of it is cancelled, running and ready alike.
        until(lambda: [job["id"] for job in jq.jobs("q", "running")] == [ids[1]], "the next job")
        gone = set(started) - set(descendants_of(worker.process.pid))
        assert len(gone) >= 2
        assert not any(_alive(pid) for pid in gone)
        assert jq("cancel", "q", "--payload", "n~?", "--yes") == "2\n"
        assert sorted(job["id"] for job in jq.jobs("q", "cancelled")) == sorted(ids)
        assert worker.stop() == 143


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
