"""How long the job of a killed process waits until it runs again. All rows wait at the same time: waiting costs nothing."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.peers.adapter import Adapter, Workers
from benchmarks.peers.environments import Unavailable
from benchmarks.peers.row import FIRST_JOB_LIMIT, Row

READY_SECONDS = 3.0
QUICK_SECONDS = 0.5
KINDS = (("process", 100), ("pool", 150))
"""What is killed, and where the places begin that are used for it."""


@dataclass
class _Try:
    row: Row
    figure: str
    places: int
    adapter: Adapter | None = None
    pools: list[Workers] = field(default_factory=list)
    trace: Path = Path()
    at: float = 0.0

    def does(self, step: "Callable[[_Try], None]") -> bool:
        """Whether a step worked; if not, the row says why."""
        try:
            step(self)
        except Unavailable as error:
            self.row.notes[self.figure] = str(error)
            return False
        return True


def measure(rows: list[Row], limit: float, say: Callable[[str], None]) -> None:
    """Kill a process that runs a job, and where a peer has a pool, in another try the whole pool while a second one looks on."""
    with ExitStack() as stack:
        say("kills: starting the workers")
        tries = [_Try(row, *kind) for row in rows for kind in (KINDS if row.about["pool"] else KINDS[:1])]
        ready = [one for one in tries if one.does(lambda one: _start(one, stack))]
        time.sleep(READY_SECONDS)
        say("kills")
        killed = [one for one in ready if one.does(_kill)]
        say(f"waiting up to {limit:.0f} s for killed jobs to run again")
        for one in killed:
            _collect(one, limit)


def _start(one: _Try, stack: ExitStack) -> None:
    one.adapter = one.row.adapter(one.places + one.row.place)
    one.pools = [stack.enter_context(one.row.workers(one.adapter)) for _ in range(1 if one.figure == "process" else 2)]
    one.adapter.ask("enqueue-one", 8)
    one.pools[0].wait_for(1, FIRST_JOB_LIMIT)


def _kill(one: _Try) -> None:
    assert one.adapter is not None
    one.trace = one.adapter.folder / "held"
    one.adapter.ask("hold", one.trace)
    _, pid = _lines(one.trace, 1, time.monotonic() + FIRST_JOB_LIMIT)[0]
    one.at = _end(one.pools, pid, one.figure)
    _lines(one.trace, 2, one.at + QUICK_SECONDS)  # what is quick shall not be disturbed by the next


def _end(pools: list[Workers], pid: int, figure: str) -> float:
    if figure == "process":
        at = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        return at
    owner = next((pool for pool in pools if pid in pool.family()), None)
    if owner is None:
        raise Unavailable("the process of the job is in neither pool")
    at = time.monotonic()
    owner.kill()
    return at


def _collect(one: _Try, limit: float) -> None:
    lines = _lines(one.trace, 2, one.at + limit)
    if len(lines) > 1:
        one.row.figures[one.figure] = [lines[1][0] - one.at]
    else:
        one.row.notes[one.figure] = f"not within {limit:.0f} s"
    if not one.row.about["pool"]:  # its process is all there is
        for told in (one.row.figures, one.row.notes):
            if "process" in told:
                told["pool"] = told["process"]


def _lines(path: Path, count: int, deadline: float) -> list[tuple[float, int]]:
    while True:
        lines = path.read_text().splitlines() if path.exists() else []
        if len(lines) >= count or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    if not lines:
        raise Unavailable("the job to be killed did not start")
    return [(float(line.split()[0]), int(line.split()[1])) for line in lines]
