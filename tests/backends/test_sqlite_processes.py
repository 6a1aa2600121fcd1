"""Several processes at one database: killed, hammering, waiting for one another."""

import os
import select
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from jq_cli.backends.sqlite.backend import open_sqlite
from tests.backends.sqlite_jobs import check_file, child, claim, code_of, draft, path_of, succeed

PATIENCE = 30.0


def lines(path: Path) -> list[str]:
    """The whole lines of a file that somebody appends to."""
    return path.read_text().split("\n")[:-1] if path.exists() else []


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.002)


def say(path: Path, words: list[str]) -> None:
    with path.open("a") as file:
        file.write("".join(word + "\n" for word in words))


@pytest.mark.parametrize("round", range(6))
def test_nothing_that_was_acknowledged_is_lost_to_a_kill(round: int, sqlite_url: str, tmp_path: Path) -> None:
    stored, done = tmp_path / "stored", tmp_path / "done"

    def work() -> None:
        with open_sqlite(sqlite_url) as store:
            while True:
                drafts = [draft(b'"%s"' % (b"x" * n), retention=3_600.0) for n in (1, 1_000, 10_000)]
                store.insert(drafts)
                say(stored, [each.job.id for each in drafts])
                jobs = claim(store, 2)
                succeed(store, jobs)
                say(done, [job.id for job in jobs])

    pids = [child(work), child(work)]
    wait_until(lambda: len(lines(stored)) >= 10 + 20 * round)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        assert code_of(pid) == -signal.SIGKILL
    with open_sqlite(sqlite_url) as store:
        assert None not in store.get("q", lines(stored))
        assert {job.state for job in store.get("q", lines(done)) if job} <= {"succeeded"}
        assert store.insert([draft()])[0].status == "created"
    check_file(tmp_path / "jq.db")


def test_four_processes_claim_each_job_once_and_none_is_starved(sqlite_url: str, tmp_path: Path) -> None:
    with open_sqlite(sqlite_url) as store:
        for _ in range(8):
            store.insert([draft() for _ in range(250)])
    read, write = os.pipe()

    def work(name: str) -> None:
        os.close(write)
        with open_sqlite(sqlite_url, timeout=60) as store:
            os.read(read, 1)
            while jobs := claim(store, 2, worker=name):
                say(tmp_path / name, [job.id for job in jobs])

    pids = [child(lambda name=name: work(name)) for name in "abcd"]  # type: ignore[misc]
    os.close(read)
    os.close(write)  # all of them start at this moment
    assert [code_of(pid) for pid in pids] == [0, 0, 0, 0]
    claimed = {name: lines(tmp_path / name) for name in "abcd"}
    times = Counter(id for ids in claimed.values() for id in ids)
    assert (len(times), set(times.values())) == (2_000, {1})
    assert min(len(ids) for ids in claimed.values()) > 100
    check_file(tmp_path / "jq.db")


def test_many_processes_may_make_the_database_at_once(sqlite_url: str, tmp_path: Path) -> None:
    def start() -> None:
        with open_sqlite(sqlite_url, timeout=60) as store:
            store.insert([draft(queue=f"q{n}") for n in range(5)])

    pids = [child(start) for _ in range(8)]
    assert [code_of(pid) for pid in pids] == [0] * 8
    with open_sqlite(sqlite_url) as store:
        assert {counts.queue: counts.states["ready"] for counts in store.counts()} == {f"q{n}": 8 for n in range(5)}
    check_file(tmp_path / "jq.db")


def test_processes_come_and_go_without_a_busy_answer(sqlite_url: str, tmp_path: Path) -> None:
    """The last one to close a database cleans up behind it, while the next one opens it."""

    def come_and_go() -> None:
        for _ in range(25):
            with open_sqlite(sqlite_url, timeout=60) as store:
                store.insert([draft()])
                store.counts()

    pids = [child(come_and_go) for _ in range(4)]
    assert [code_of(pid) for pid in pids] == [0] * 4
    with open_sqlite(sqlite_url) as store:
        assert store.counts()[0].states["ready"] == 100


def test_a_job_wakes_a_waiting_process(sqlite_url: str, tmp_path: Path) -> None:
    def wait() -> None:
        with open_sqlite(sqlite_url) as store:
            watch = store.watch(["ready:q"])
            assert watch is not None
            (tmp_path / "waiting").touch()
            assert select.select([watch], [], [], PATIENCE)[0]
            assert len(claim(store)) == 1

    with open_sqlite(sqlite_url) as store:
        pid = child(wait)
        wait_until((tmp_path / "waiting").exists)
        store.insert([draft()])
        assert code_of(pid) == 0


def test_readers_do_not_wait_for_a_writer(sqlite_url: str) -> None:
    with open_sqlite(sqlite_url, timeout=0.05) as store:
        store.insert([draft(), draft(delay=60_000)])
        (running,) = claim(store)
        other = sqlite3.connect(path_of(store), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        other.execute("DELETE FROM jobs")
        assert store.counts()[0].states["running"] == len(store.page("q", "running").jobs) == 1
        assert store.page("q", "ready").jobs == claim(store) == []
        assert store.find(running.id) == store.get("q", [running.id])[0] == store.held("w")[0]
        assert store.due(10).jobs == []
        other.execute("ROLLBACK")
        other.close()


def test_a_process_that_dies_with_its_turn_holds_up_nobody(sqlite_url: str) -> None:
    def die() -> None:
        store = open_sqlite(sqlite_url)
        store._database.turnstile.enter()  # type: ignore[attr-defined]
        store._space.cursor.execute("BEGIN IMMEDIATE")  # type: ignore[attr-defined]
        store._space.cursor.execute("DELETE FROM jobs")  # type: ignore[attr-defined]
        os.kill(os.getpid(), signal.SIGKILL)

    with open_sqlite(sqlite_url) as store:
        store.insert([draft()])
        assert code_of(child(die)) == -signal.SIGKILL
        assert len(claim(store)) == 1
