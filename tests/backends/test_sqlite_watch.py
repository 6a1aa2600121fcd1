"""Wake-ups between processes."""

import os
import select
from contextlib import closing, suppress
from pathlib import Path

import pytest

from jq_cli.backends.sqlite.backend import open_sqlite
from jq_cli.backends.sqlite.file import watch_folder
from jq_cli.process import pipes as named_pipes
from jq_cli.process.pipes import PipeWatch, ring
from tests.backends.sqlite_jobs import child, claim, code_of, draft, path_of, succeed


def rung(watch: PipeWatch) -> bool:
    """Whether a hint is there; takes it."""
    there = bool(select.select([watch], [], [], 0)[0])
    watch.drain()
    return there


def pipes(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_watch_hears_of_its_topics_only(tmp_path: Path) -> None:
    folder = str(tmp_path / "watch")
    with closing(PipeWatch(folder, ["ready:a", "done:b"])) as watch:
        for topic, heard in [("ready:a", True), ("done:b", True), ("ready:b", False), ("done:a", False)]:
            ring(folder, [topic])
            assert rung(watch) == heard


def test_a_watch_of_many_topics_hears_of_each(tmp_path: Path) -> None:
    folder, topics = str(tmp_path / "watch"), [f"ready:queue-{n}" for n in range(2_000)]
    with closing(PipeWatch(folder, topics)) as watch:
        assert max(len(name) for name in os.listdir(folder)) < 200
        for topic in topics[::100]:
            ring(folder, [topic])
            assert rung(watch)


def test_a_hint_goes_to_every_watch_that_cares(tmp_path: Path) -> None:
    folder = str(tmp_path / "watch")
    with closing(PipeWatch(folder, ["a"])) as first, closing(PipeWatch(folder, ["a", "b"])) as second:
        ring(folder, ["a"])
        assert (rung(first), rung(second)) == (True, True)
        ring(folder, ["b"])
        assert (rung(first), rung(second)) == (False, True)


def test_a_pipe_whose_owner_died_is_removed_by_whoever_finds_it(tmp_path: Path) -> None:
    folder = tmp_path / "watch"
    assert code_of(child(lambda: PipeWatch(str(folder), ["a"]))) == 0
    assert len(pipes(folder)) == 1
    ring(str(folder), ["a"])
    assert pipes(folder) == []


def test_a_new_watch_sweeps_up_what_others_left(tmp_path: Path) -> None:
    folder = tmp_path / "watch"
    assert code_of(child(lambda: PipeWatch(str(folder), ["a"]))) == 0
    with closing(PipeWatch(str(folder), ["b"])) as first, closing(PipeWatch(str(folder), ["b"])) as second:
        assert len(pipes(folder)) == 2
        ring(str(folder), ["b"])
        assert (rung(first), rung(second)) == (True, True)


def test_a_watch_that_is_being_made_is_not_taken_for_an_abandoned_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, mkfifo = str(tmp_path / "watch"), os.mkfifo

    def interrupted(path: str, mode: int) -> None:
        mkfifo(path, mode)
        ring(folder, ["a"])

    monkeypatch.setattr(named_pipes.os, "mkfifo", interrupted)
    with closing(PipeWatch(folder, ["a"])) as watch:
        ring(folder, ["a"])
        assert rung(watch)


def test_a_full_pipe_blocks_nobody_and_loses_no_wake_up(tmp_path: Path) -> None:
    folder = str(tmp_path / "watch")
    with closing(PipeWatch(folder, ["a"])) as watch:
        with suppress(BlockingIOError):
            while True:
                os.write(watch._write, b"." * 4_096)
        ring(folder, ["a"])
        assert rung(watch)
        assert not rung(watch)


def test_strange_names_in_the_folder_trouble_nobody(tmp_path: Path) -> None:
    folder = tmp_path / "watch"
    with closing(PipeWatch(str(folder), ["a"])) as watch:
        for name in ("zzz", "1.x.", "1.x.nothex", "a.b.-1"):
            (folder / name).write_text("")
        ring(str(folder), ["a"])
        assert rung(watch)


def test_without_a_folder_nobody_is_rung(tmp_path: Path) -> None:
    ring(str(tmp_path / "none"), ["a"])
    assert not (tmp_path / "none").exists()


def test_a_path_longer_than_a_socket_could_have_works(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120) / ("e" * 120)
    deep.mkdir(parents=True)
    with open_sqlite(f"sqlite://{deep}/jq.db") as store, closing(store.watch(["ready:q"])) as watch:  # type: ignore[type-var]
        store.insert([draft()])
        assert rung(watch)  # type: ignore[arg-type]


def test_a_file_system_without_named_pipes_means_polling(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: str, mode: int) -> None:
        raise PermissionError("Operation not permitted")

    monkeypatch.setattr(named_pipes.os, "mkfifo", refused)
    with open_sqlite(sqlite_url) as store:
        assert store.watch(["ready:q"]) is None


def test_what_is_not_stored_is_not_hinted_at(sqlite_url: str) -> None:
    with open_sqlite(sqlite_url) as store, closing(store.watch(["ready:q", "done:q"])) as watch:  # type: ignore[type-var]
        job = draft(dedup_key="k")
        store.insert([job])
        assert rung(watch)  # type: ignore[arg-type]
        store.insert([job, draft(dedup_key="k"), draft(delay=1_000)])
        assert not rung(watch)  # type: ignore[arg-type]
        jobs = claim(store)
        assert not rung(watch)  # type: ignore[arg-type]
        succeed(store, jobs)
        assert rung(watch)  # type: ignore[arg-type]
        succeed(store, jobs)
        assert not rung(watch)  # type: ignore[arg-type]


def test_namespaces_do_not_wake_one_another(sqlite_url: str) -> None:
    with open_sqlite(sqlite_url) as store, open_sqlite(sqlite_url, namespace="other") as other:
        with closing(store.watch(["ready:q"])) as watch:  # type: ignore[type-var]
            other.insert([draft()])
            assert not rung(watch)  # type: ignore[arg-type]
            store.insert([draft()])
            assert rung(watch)  # type: ignore[arg-type]
        assert pipes(Path(watch_folder(str(path_of(store))))) == []
