"""A database that is busy, full, damaged, gone, or in the wrong process: an honest error, and nothing half done."""

import os
import random
import resource
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest

from jq_cli.backends.base import Backend, Setting
from jq_cli.backends.sqlite.backend import SqliteBackend, open_sqlite
from jq_cli.backends.sqlite.lock import Turnstile
from jq_cli.errors import BackendError, BackendFull, BackendUnreachable, JqError
from jq_cli.job import STATES
from tests.backends.sqlite_jobs import check_file, child, claim, code_of, draft, path_of, succeed


def opened(url: str, **options: object) -> SqliteBackend:
    store = open_sqlite(url, **options)
    assert isinstance(store, SqliteBackend)
    return store


def everything(store: Backend) -> list[Callable[[], object]]:
    """Every call that writes."""
    return [
        lambda: store.insert([draft()]),
        lambda: claim(store),
        lambda: store.control("q", Setting(max_running=5)),
        lambda: store.swap("n", None, b"1"),
        lambda: store.replace([]),
        lambda: store.extend([], lease=1),
    ]


# --- busy ---


def test_another_program_that_holds_the_database_makes_every_write_say_busy(sqlite_url: str) -> None:
    with opened(sqlite_url, timeout=0.05) as store:
        store.insert([draft()])
        other = sqlite3.connect(path_of(store), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        for call in everything(store):
            with pytest.raises(BackendUnreachable, match="busy"):
                call()
        assert store.counts()[0].states["ready"] == len(store.page("q", "ready").jobs) == 1
        other.execute("ROLLBACK")
        other.close()
        assert store.insert([draft()])[0].status == "created"
        assert store.counts()[0].totals == {"enqueued": 2}


def test_another_process_that_keeps_its_turn_makes_every_write_say_busy(sqlite_url: str) -> None:
    with opened(sqlite_url, timeout=0.05) as store:
        store.insert([draft()])
        other = Turnstile(str(path_of(store)), 1)
        other.enter()
        for call in everything(store):
            with pytest.raises(BackendUnreachable, match="busy"):
                call()
        other.leave()
        other.close()
        assert store.insert([draft()])[0].status == "created"


def test_a_writer_that_gave_up_leaves_the_gate_open_for_the_next(sqlite_url: str) -> None:
    with opened(sqlite_url, timeout=0.05) as store, opened(sqlite_url, timeout=30) as patient:
        turnstile = store._database.turnstile
        turnstile.enter()
        hasty = opened(sqlite_url, timeout=0.05)
        with pytest.raises(BackendUnreachable):
            hasty.insert([draft()])
        turnstile.leave()
        assert patient.insert([draft()])[0].status == "created"
        hasty.close()


def test_a_wait_for_another_program_is_cut_by_what_the_wait_for_the_turn_took(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(sqlite_url, timeout=5) as store:
        monkeypatch.setattr(store._database.turnstile, "enter", lambda: 0.25)
        seen: list[str] = []
        store._database.connection.set_trace_callback(seen.append)
        store.insert([draft()])
        assert [text for text in seen if "busy" in text] == ["PRAGMA busy_timeout = 250", "PRAGMA busy_timeout = 5000"]
        assert seen.index("PRAGMA busy_timeout = 250") < seen.index("BEGIN IMMEDIATE")


# --- full ---


def test_a_full_database_refuses_with_nothing_half_written_and_goes_on_when_there_is_room(sqlite_url: str) -> None:
    with opened(sqlite_url) as store:
        store.insert([draft() for _ in range(10)])
        pages = store._space.cursor.execute("PRAGMA page_count").fetchone()[0]
        store._space.cursor.execute(f"PRAGMA max_page_count = {pages + 5}").fetchall()
        with pytest.raises(BackendFull, match="no room left, nothing was stored"):
            store.insert([draft(b'"%s"' % (b"x" * 1_000)) for _ in range(500)])
        assert store.counts()[0].states["ready"] == 10
        assert store.counts()[0].totals == {"enqueued": 10}
        assert succeed(store, claim(store, 5)) == ["applied"] * 5
        store._space.cursor.execute("PRAGMA max_page_count = 1000000").fetchall()
        assert len(store.insert([draft(b'"%s"' % (b"x" * 1_000)) for _ in range(500)])) == 500
    check_file(path_of(store))


def test_a_queue_made_by_a_call_that_failed_does_not_exist(sqlite_url: str) -> None:
    with opened(sqlite_url) as store:
        pages = store._space.cursor.execute("PRAGMA page_count").fetchone()[0]
        store._space.cursor.execute(f"PRAGMA max_page_count = {pages + 5}").fetchall()
        with pytest.raises(BackendFull):
            store.insert([draft(b'"%s"' % (b"x" * 1_000), queue="new") for _ in range(500)])
        assert store.queues() == []
        store._space.cursor.execute("PRAGMA max_page_count = 1000000").fetchall()
        store.insert([draft(queue="other")])
        store.insert([draft(queue="new")])
        assert {queue: store.counts([queue])[0].states["ready"] for queue in store.queues()} == {"new": 1, "other": 1}


def test_a_limit_on_the_size_of_files_is_an_error_that_passes(sqlite_url: str) -> None:
    with opened(sqlite_url) as store:
        store.insert([draft()])
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
        try:
            with pytest.raises(BackendError):
                store.insert([draft(b'"%s"' % (b"x" * 1_000)) for _ in range(1_000)])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert store.counts()[0].states["ready"] == 1
        assert store.insert([draft()])[0].status == "created"
    check_file(path_of(store))


# --- damaged, gone ---


@pytest.mark.parametrize("seed", range(12))
def test_a_damaged_file_gives_errors_of_ours_and_never_a_crash(seed: int, sqlite_url: str) -> None:
    with opened(sqlite_url) as store:
        path = path_of(store)
        for _ in range(5):
            store.insert([draft(b'"%s"' % (b"x" * 100 * n), priority=n, dedup_key=str(n)) for n in range(20)])
        succeed(store, claim(store, 20))
        claim(store, 10)
    rand = random.Random(seed)
    with open(path, "r+b") as file:
        for _ in range(rand.choice([1, 10, 200])):
            file.seek(rand.randrange(100, path.stat().st_size))
            file.write(rand.randbytes(rand.randint(1, 30)))
    with suppress(JqError), opened(sqlite_url) as store:
        for call in [*everything(store), *readers(store)]:
            with suppress(JqError):
                call()


def readers(store: Backend) -> list[Callable[[], object]]:
    return [
        *[lambda state=state: store.page("q", state) for state in STATES],  # type: ignore[misc]
        lambda: store.counts(),
        lambda: store.due(100),
        lambda: store.held("w"),
        lambda: store.find("01K40000000000000000000000"),
        lambda: store.read(""),
        lambda: store.queues(),
    ]


def test_damage_is_named_as_such(sqlite_url: str) -> None:
    with opened(sqlite_url) as store:
        store.insert([draft() for _ in range(500)])
        path = path_of(store)
    size = path.stat().st_size
    with open(path, "r+b") as file:
        file.seek(8_192)
        file.write(b"\xff" * (size - 8_192))
    with pytest.raises(BackendError, match=r"damaged; restore it from a backup"), opened(sqlite_url) as store:
        store.page("q", "ready")


def test_a_file_that_was_removed_is_noticed_before_anything_is_written_to_it(sqlite_url: str) -> None:
    with opened(sqlite_url) as store:
        store.insert([draft()])
        path_of(store).rename(path_of(store).with_name("moved.db"))
        for call in [lambda: store.insert([draft()]), lambda: claim(store), lambda: store.counts()]:
            with pytest.raises(BackendError, match="removed or replaced while in use"):
                call()
        path_of(store).with_name("moved.db").rename(path_of(store))
        assert store.insert([draft()])[0].status == "created"


# --- the wrong process ---


def test_a_store_does_not_work_in_a_forked_child(sqlite_url: str) -> None:
    with opened(sqlite_url) as store:
        store.insert([draft()])
        read, write = os.pipe()
        assert code_of(child(lambda: os.write(write, _refusals(store).encode()))) == 0
        os.close(write)
        assert os.read(read, 4_096).decode() == "opened before a fork; opened before a fork; "
        os.close(read)
        assert len(claim(store)) == 1
    check_file(path_of(store))


def _refusals(store: Backend) -> str:
    text = ""
    for call in (lambda: store.insert([draft()]), lambda: store.counts()):
        try:
            call()
        except BackendError as error:
            text += "opened before a fork; " if "opened before a fork; open it again" in str(error) else str(error)
    store.close()
    return text


def test_a_child_may_open_the_store_again(sqlite_url: str) -> None:
    with opened(sqlite_url) as store:
        store.insert([draft()])
        assert code_of(child(lambda: opened(sqlite_url).insert([draft()]))) == 0
        assert len(claim(store, 5)) == 2


def test_a_child_does_not_keep_the_turn_of_a_parent_that_is_gone(sqlite_url: str) -> None:
    """Locks of this kind belong to the open file, which a child shares: it must let go of it."""
    with opened(sqlite_url, timeout=0.5) as store:
        store.insert([draft()])
        read, write = os.pipe()
        assert code_of(child(lambda: _take_the_turn_fork_and_die(sqlite_url, read, write))) == 0
        os.close(read)
        assert store.insert([draft()])[0].status == "created"
        os.close(write)


def _take_the_turn_fork_and_die(url: str, until: int, other_end: int) -> None:
    os.close(other_end)
    store = opened(url)
    store._database.turnstile.enter()
    if os.fork() == 0:
        os.read(until, 1)
    os._exit(0)


def test_a_store_may_be_handed_to_another_thread(sqlite_url: str) -> None:
    with opened(sqlite_url) as store:
        answers: list[object] = []
        thread = Thread(target=lambda: answers.extend(store.insert([draft()])))
        thread.start()
        thread.join()
        assert len(answers) == len(claim(store, 5)) == 1


# --- errors that name what was expected ---


def test_messages_name_the_file(sqlite_url: str) -> None:
    with opened(sqlite_url, timeout=0.05) as store:
        other = Turnstile(str(path_of(store)), 1)
        other.enter()
        with pytest.raises(BackendUnreachable, match=f"sqlite://{path_of(store)}: busy"):
            store.insert([draft()])
        other.close()


def test_a_closed_store_says_so(sqlite_url: str) -> None:
    store = opened(sqlite_url)
    store.close()
    with pytest.raises(BackendError, match="closed"):
        store.counts()
    store.close()


def test_a_path_that_is_too_long_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="File name too long"):
        open_sqlite(f"sqlite://{tmp_path}/{'x' * 300}")
