"""The keeper hears every order, however many came while it was away, and its end costs the worker nothing."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from jq_cli.handlers.spec import HandlerOptions
from jq_cli.pool.crew import Crew
from jq_cli.pool.orders import Notice, Order
from jq_cli.pool.slots import make_slots
from tests.worker.bench import call


@pytest.fixture
def crew() -> Iterator[Crew]:
    slots = make_slots(2)
    crew = Crew(Order({"*": call("sleep")}, HandlerOptions()), slots, 2, os.environ)
    yield crew
    crew.end()
    os.close(slots.fd)


def heard(crew: Crew, count: int) -> list[Notice]:
    """That many notices, or what came within the time."""
    notices: list[Notice] = []
    deadline = time.monotonic() + 30
    while len(notices) < count and time.monotonic() < deadline:
        select.select([crew], [], [], 1)
        notices += crew.notices() or []
    return notices


def test_orders_that_piled_up_while_the_keeper_was_stopped_are_all_obeyed(crew: Crew) -> None:
    keeper = crew._process.pid
    os.kill(keeper, signal.SIGSTOP)
    for _ in range(60):
        crew.kill(0, signal.SIGUSR1)
    first = crew.spawn(0)
    for _ in range(60):
        crew.kill(1, signal.SIGUSR1)
    second = crew.spawn(1)
    os.kill(keeper, signal.SIGCONT)
    with first, second:
        assert [(notice.what, notice.slot) for notice in heard(crew, 2)] == [("spawned", 0), ("spawned", 1)]


def test_a_child_wanted_of_a_keeper_that_is_gone_is_a_socket_at_its_end(crew: Crew) -> None:
    crew._process.kill()
    crew._process.wait()
    with crew.spawn(0) as link:
        assert link.recv(1) == b""
    assert crew.notices() is None


def test_a_keeper_of_plain_functions_loads_nothing_that_its_children_do_not_need() -> None:
    code = (
        "import sys\n"
        "from jq_cli.handlers.spec import HandlerOptions, HandlerSpec, load\n"
        "from jq_cli.pool.keeper import _kind_of\n"
        "kind = _kind_of({'*': load(HandlerSpec('call', target='operator:neg'), HandlerOptions())})\n"
        "print(kind.__name__, *sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    kind, *loaded = done.stdout.split()
    assert kind == "Child"
    assert "jq_cli.pool.child" in loaded  # before the fork, so that its pages are shared
    assert not {"asyncio", "ssl", "logging", "concurrent.futures", "click", "hashlib", "socketserver"} & {*loaded}
