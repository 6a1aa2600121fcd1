"""A folder as a store: what its files are, what cannot get out, and processes that race in it or are killed."""

import errno
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from jq_cli.backends.objects.backend import ObjectsBackend, open_objects
from jq_cli.backends.objects.file_store import FileStore
from jq_cli.backends.registry import open_backend
from jq_cli.errors import BackendError, BackendFull, BackendUnreachable, NotAuthorised
from jq_cli.process import mounts
from tests.backends.objects_jobs import claim, draft, succeeded
from tests.backends.sqlite_jobs import child, code_of

PATIENCE = 60.0
ROOT = Path(__file__).resolve().parents[2]


def opened(url: str, **options: object) -> ObjectsBackend:
    store = open_objects(url, **options)
    assert isinstance(store, ObjectsBackend)
    return store


def lines(path: Path) -> list[str]:
    """The whole lines of a file that somebody appends to."""
    return path.read_text().split("\n")[:-1] if path.exists() else []


def say(path: Path, words: list[str]) -> None:
    with path.open("a") as file:
        file.write("".join(word + "\n" for word in words))


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.002)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "store" / "jq"


# --- what is in it ---


def test_a_commit_can_be_read_with_cat(folder_url: str, home: Path) -> None:
    with opened(folder_url) as jq:
        jq.insert([draft(b'{"to": "ada"}', headers={"a": "b"})])
    body, payload, commit = (home / "log" / f"{1:016d}").read_text().splitlines()
    assert (json.loads(body)["headers"], payload) == ({"a": "b"}, '{"to": "ada"}')
    assert json.loads(commit)["totals"] == [["q", "enqueued", 1]]


def test_only_the_owner_may_look_inside(folder_url: str, home: Path) -> None:
    with opened(folder_url) as jq:
        jq.insert([draft()])
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (home.parent, *home.parent.rglob("*"))}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}


def test_file_and_folder_are_synced_before_an_answer(folder_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(folder_url) as jq:
        jq.insert([draft()])
        done: list[str] = []
        sync, link = os.fsync, os.link
        monkeypatch.setattr(
            os, "fsync", lambda fd: (done.append("folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file"), sync(fd))
        )
        monkeypatch.setattr(os, "link", lambda *args, **options: (done.append("link"), link(*args, **options)))
        jq.insert([draft()])
    assert done == ["file", "link", "folder"]


def test_what_an_interrupted_write_left_is_ignored_and_swept_when_old(folder_url: str, home: Path) -> None:
    with opened(folder_url) as jq:
        jq.insert([draft()])
        for name, age in (("young", 0), ("old", 10_000)):
            file = home / "log" / f".{name}"
            file.write_text("half a com")
            os.utime(file, (time.time() - age, time.time() - age))
        assert [each.name for each in jq._store.listing("log")] == [f"log/{1:016d}"]
        jq._store.tidy(900)
        assert [path.name for path in (home / "log").iterdir() if path.name.startswith(".")] == [".young"]


def test_namespaces_share_a_folder_and_nothing_else(folder_url: str) -> None:
    with open_backend(folder_url, namespace="a") as a, open_backend(folder_url, namespace="b") as b:
        a.insert([draft()])
        assert (a.queues(), b.queues()) == (["q"], [])


# --- what cannot get out ---


@pytest.mark.parametrize(
    "name",
    ["../x", "log/../../x", "log/.x", "log/a/b", "/etc/passwd", "log/", "log/x\n", "elsewhere/x", "log/" + "x" * 65],
)
def test_names_cannot_leave_the_folder(name: str, tmp_path: Path) -> None:
    store = FileStore(str(tmp_path / "store"), "jq", 1.0)
    before = sorted(tmp_path.rglob("*"))
    for work in (
        lambda: store.create(name, b"x"),
        lambda: store.get(name),
        lambda: store.spans(name, [(0, 1)]),
        lambda: store.delete([name]),
    ):
        with pytest.raises(BackendError, match="cannot be the name of an object"):
            work()
    assert sorted(tmp_path.rglob("*")) == before
    store.close()


@pytest.mark.parametrize("link", ["jq", "jq/log"])
def test_a_folder_that_is_a_link_to_elsewhere_is_refused(
    link: str, folder_url: str, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (home.parent / link).parent.mkdir(parents=True, exist_ok=True)
    (home.parent / link).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BackendError):
        opened(folder_url)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_commit_that_is_a_link_is_not_followed(folder_url: str, home: Path, tmp_path: Path) -> None:
    with opened(folder_url) as jq:
        jq.counts()
        (tmp_path / "secret").write_text("{}\n")
        (home / "log" / f"{1:016d}").symlink_to(tmp_path / "secret")
        with pytest.raises(BackendError):
            jq.counts()


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "9p", "fuse.sshfs"])
def test_a_network_file_system_is_refused_before_anything_is_made(
    kind: str, folder_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounts, "file_system", lambda path: kind)
    with pytest.raises(BackendError, match=f"is on {kind}; a network file system does not keep"):
        opened(folder_url)
    assert list(tmp_path.iterdir()) == []


# --- when the disk says no ---


def test_a_full_disk_refuses_the_call_and_stores_nothing(
    folder_url: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(folder_url) as jq:
        jq.insert([draft()])
        files = sorted(home.rglob("*"))
        with monkeypatch.context() as full:
            full.setattr(
                os, "write", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left on device"))
            )
            with pytest.raises(BackendFull, match="No space left"):
                jq.insert([draft()])
        assert sorted(home.rglob("*")) == files
        assert jq.counts()[0].states["ready"] == 1
        assert jq.insert([draft()])[0].status == "created"


def test_a_folder_that_may_not_be_written_is_told_apart(folder_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        os, "mkdir", lambda *_, **__: (_ for _ in ()).throw(PermissionError(errno.EACCES, "Permission denied"))
    )
    with pytest.raises(NotAuthorised, match="Permission denied"):
        opened(folder_url)


def test_a_file_system_without_hard_links_is_refused(folder_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(folder_url) as jq:
        monkeypatch.setattr(
            os, "link", lambda *_, **__: (_ for _ in ()).throw(PermissionError(errno.EPERM, "Operation not permitted"))
        )
        with pytest.raises(BackendError, match="no hard links"):
            jq.insert([draft()])


def test_a_folder_removed_while_it_is_in_use_is_noticed(folder_url: str, home: Path) -> None:
    with opened(folder_url) as jq:
        jq.insert([draft()])
        for path in (home / "log").iterdir():
            path.unlink()
        (home / "log").rmdir()
        with pytest.raises(BackendError):
            jq.insert([draft()])


def test_who_waits_too_long_for_the_turn_says_busy(folder_url: str) -> None:
    with opened(folder_url) as jq, opened(folder_url, timeout=0.05) as other:
        jq.insert([draft()])
        with jq._store.turn(), pytest.raises(BackendUnreachable, match="busy: another process is writing"):
            other.insert([draft()])
        assert other.counts()[0].states["ready"] == 1


# --- processes ---


def test_a_process_that_dies_with_its_turn_holds_up_nobody(folder_url: str) -> None:
    def die() -> None:
        with opened(folder_url)._store.turn():
            os.kill(os.getpid(), signal.SIGKILL)

    with opened(folder_url) as jq:
        jq.insert([draft()])
        assert code_of(child(die)) == -signal.SIGKILL
        assert len(claim(jq)) == 1


@pytest.mark.parametrize("round", range(3))
def test_nothing_that_was_acknowledged_is_lost_to_a_kill(round: int, folder_url: str, tmp_path: Path) -> None:
    stored, done = tmp_path / "stored", tmp_path / "done"

    def work() -> None:
        with opened(folder_url, timeout=60) as store:
            while True:
                drafts = [draft(b'"%s"' % (b"x" * n), retention=3_600.0) for n in (1, 1_000, 100_000)]
                store.insert(drafts)
                say(stored, [each.job.id for each in drafts])
                jobs = claim(store, 2)
                store.replace([succeeded(job) for job in jobs])
                say(done, [job.id for job in jobs])

    pids = [child(work), child(work)]
    wait_until(lambda: len(lines(stored)) >= 10 + 100 * round)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        assert code_of(pid) == -signal.SIGKILL
    with opened(folder_url) as store:
        assert None not in store.get("q", lines(stored))
        assert {job.state for job in store.get("q", lines(done)) if job} <= {"succeeded"}
        assert store.insert([draft()])[0].status == "created"


RACER = """
import sys
from jq_cli.backends.objects.backend import open_objects
from tests.backends.objects_jobs import claim, succeeded

url, name, path = sys.argv[1:]
with open_objects(url, timeout=60) as store, open(path, "w") as said:
    print("ready", flush=True)
    sys.stdin.readline()
    while got := claim(store, 5, worker=name):
        said.write("".join(job.id + "\\n" for job in got))
        assert store.replace([succeeded(job) for job in got]) == ["applied"] * len(got)
"""
"""A process of its own from its start: obstore brings threads, and does not survive a fork."""


def race(url: str, jobs: int, names: str, folder: Path) -> Counter[str]:
    """How often each job was handed out to processes that claim and finish until nothing is left."""
    with opened(url, timeout=60) as store:
        store.insert([draft() for _ in range(jobs)])
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, url, name, folder / name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        for name in names
    ]
    assert [racer.stdout.readline() for racer in racers if racer.stdout] == [b"ready\n"] * len(names)
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write(b"go\n")
        racer.stdin.flush()
    assert [racer.communicate(timeout=120) for racer in racers] == [(b"", None)] * len(names)
    assert [racer.returncode for racer in racers] == [0] * len(names)
    with opened(url) as store:
        assert store.counts()[0].totals == {"enqueued": jobs, "succeeded": jobs}
    return Counter(id for name in names for id in lines(folder / name))


def test_two_processes_racing_over_two_thousand_jobs_get_each_once(folder_url: str, tmp_path: Path) -> None:
    times = race(folder_url, 2_000, "ab", tmp_path)
    assert (len(times), set(times.values())) == (2_000, {1})


def test_two_processes_racing_on_s3_get_each_job_once(s3_url: str, tmp_path: Path) -> None:
    times = race(s3_url, 300, "ab", tmp_path)
    assert (len(times), set(times.values())) == (300, {1})


def test_many_processes_may_make_the_folder_at_once(folder_url: str) -> None:
    def start() -> None:
        with opened(folder_url, timeout=60) as store:
            store.insert([draft(queue=f"q{n}") for n in range(5)])

    pids = [child(start) for _ in range(8)]
    assert [code_of(pid) for pid in pids] == [0] * 8
    with opened(folder_url) as store:
        assert {counts.queue: counts.states["ready"] for counts in store.counts()} == {f"q{n}": 8 for n in range(5)}
