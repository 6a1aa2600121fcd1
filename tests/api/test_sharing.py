"""Threads and forks: what may be shared is shared safely, what may not is refused clearly."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from jq_cli.api.queue import Queue, Store
from jq_cli.api.shared_backend import SharedBackend
from jq_cli.backends.base import Backend


def test_every_call_of_the_seam_takes_its_turn() -> None:
    calls = {name for name, value in vars(Backend).items() if callable(value) and not name.startswith("_")}
    assert calls - set(vars(SharedBackend)) == set()


def test_threads_share_a_queue(store: Store) -> None:
    queue = store.queue("q")
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for n in range(25):
                receipt = queue.enqueue([number, n])
                assert queue.get(receipt) is not None
                len(queue)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    jobs = [job.data for job in queue.jobs()]
    assert sorted(jobs) == [[number, n] for number in range(8) for n in range(25)]
    for number in range(8):
        assert [n for who, n in jobs if who == number] == list(range(25)), "one thread's jobs keep their order"


FORK = """
import os, sys, threading
import jq_cli

queue = jq_cli.Queue("q", sys.argv[1])
queue.enqueue("parent before")
busy = threading.Event()
done = threading.Event()

def hold():
    with queue.store.backend.lock:   # another thread is in the middle of a call
        busy.set()
        done.wait(30)

thread = threading.Thread(target=hold, daemon=True)
thread.start()
busy.wait(30)
pid = os.fork()
if pid == 0:
    try:
        queue.enqueue("child")
        print("child sees", len(queue), flush=True)
        queue.close()
    except jq_cli.UsageError as error:
        print("child:", error, flush=True)
    sys.exit(0)
done.set()
thread.join()
_, status = os.waitpid(pid, 0)
assert status == 0, status
queue.enqueue("parent after")
print([job.data for job in queue.jobs()], flush=True)
"""


@pytest.mark.parametrize("kind", ["sqlite", "redis", "postgres"])
def test_a_forked_process_opens_its_own_connection(
    kind: str, request: pytest.FixtureRequest, namespace: str, tmp_path: Path
) -> None:
    done = fork(FORK, request.getfixturevalue(f"{kind}_url"), namespace, tmp_path)
    assert done.stdout.splitlines() == ["child sees 2", "['parent before', 'child', 'parent after']"], done


def test_a_forked_process_is_refused_its_parents_memory(namespace: str, tmp_path: Path) -> None:
    done = fork(FORK, "memory", namespace, tmp_path)
    refused = "child: memory://: opened before a fork; open a store of its own in the new process"
    assert done.stdout.splitlines() == [refused, "['parent before', 'parent after']"], done


def fork(code: str, url: str, namespace: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", code, url],
        env={"HOME": str(folder), "JQ_NAMESPACE": namespace, "PYTHONWARNINGS": "ignore::DeprecationWarning"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_backend_that_was_handed_over_open_is_not_closed_twice_or_reopened(queue: Queue) -> None:
    inner = queue.store.backend.inner()
    handed = Store(inner)
    handed.backend.forked()
    with pytest.raises(Exception, match="opened before a fork"):
        handed.queue("q").enqueue(1)
    queue.enqueue(1)
    assert len(queue) == 1
