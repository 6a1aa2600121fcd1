"""One row: a peer on its store, and everything that is measured of it."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.peers.adapter import Adapter, Workers
from benchmarks.peers.catalogue import Peer
from benchmarks.peers.environments import Unavailable, prepare
from benchmarks.peers.sizes import Sizes
from benchmarks.peers.stores import Stores

FIRST_JOB_LIMIT = 40.0
TRIAL_ENQUEUE_SECONDS = 6.0


class Row:
    """Figures gather in `figures`, by name and round; `reason` says why there are none, `notes` what went wrong with one."""

    def __init__(self, peer: Peer, place: int, stores: Stores, folder: Path, environments: Path, sizes: Sizes) -> None:
        self.peer, self.place = peer, place
        self._stores, self._folder, self._environments, self._sizes = stores, folder, environments, sizes
        self._rates: dict[str, float] = {}
        self._interpreter: list[str] = []
        self.about: dict[str, Any] = {}
        self.figures: dict[str, list[float]] = {}
        self.notes: dict[str, str] = {}
        self.reason = ""

    def prepare(self) -> None:
        """Install the peer and try it on a few jobs, so that later sizes fit its rates."""
        try:
            self._interpreter = prepare(self.peer, self._environments)
            self._try()
        except Unavailable as error:
            self.reason = str(error)

    def adapter(self, place: int) -> Adapter:
        """Its adapter with an emptied place of the store that is ready for jobs."""
        url = self._stores.fresh(self.peer.store, place)
        adapter = Adapter(self.peer, self._interpreter, url, self._folder, self._environments)
        adapter.ask("setup")
        return adapter

    def round(self) -> None:
        """Measure everything once but recovery."""
        for measure in (self._enqueue, self._idle):
            measure(self.adapter(self.place))

    def _try(self) -> None:
        adapter = self.adapter(self.place)
        self.about = adapter.ask("about")
        jobs = self._sizes.trial_jobs
        self._rates["one"] = _rate(adapter.ask("enqueue-one", jobs))
        try:
            self._rates["bulk"] = _rate(adapter.ask("enqueue-bulk", jobs))
        except Unavailable as error:
            self.notes["bulk"] = str(error)
        # A few jobs are gone before the second process is up: try more, until they last.
        while self._try_drain(jobs) < self._sizes.trial_seconds and jobs < self._most():
            jobs = min(4 * jobs, self._most())

    def _most(self) -> int:
        """As many jobs as can be enqueued in some seconds."""
        kind = "bulk" if "bulk" in self._rates else "one"
        return max(self._sizes.trial_jobs, min(self._sizes.most_jobs, int(self._rates[kind] * TRIAL_ENQUEUE_SECONDS)))

    def _try_drain(self, jobs: int) -> float:
        adapter = self.adapter(self.place)
        adapter.ask(self._fill(), jobs)
        with self.workers(adapter) as workers:
            workers.wait_for(1, FIRST_JOB_LIMIT)
            count, first, last = workers.wait_for(jobs, 3)
        self._rates["drain"] = (count - 1) / max(last - first, 1e-3)
        return last - first

    def _fill(self) -> str:
        return "enqueue-bulk" if "bulk" in self._rates else "enqueue-one"

    def workers(self, adapter: Adapter) -> Workers:
        """Two processes of it."""
        return adapter.workers(self.about["pool"])

    def _jobs(self, figure: str, seconds: float) -> int:
        least = self._sizes.trial_jobs
        return max(least, min(self._sizes.most_jobs, int(self._rates[figure] * seconds)))

    def _enqueue(self, adapter: Adapter) -> None:
        sizes = self._sizes
        jobs = self._jobs("one", sizes.one_seconds)
        one = self._note("one", lambda: _rate(adapter.ask("enqueue-one", jobs)))
        if one is None:
            return
        adapter = self.adapter(self.place)
        before = self._stores.size(self.peer.store, self.place)
        enough = self._jobs("drain", sizes.drain_seconds)
        kind = "bulk" if "bulk" in self._rates else "one"
        jobs = max(self._jobs(kind, sizes.bulk_seconds), enough)
        queued = adapter.ask(self._fill(), jobs, limit=300)
        if kind == "bulk":
            self._add("bulk", _rate(queued))
        self._add("bytes", (self._stores.size(self.peer.store, self.place) - before) / jobs)
        self._note("drain", lambda: self._drain(adapter, jobs))

    def _drain(self, adapter: Adapter, jobs: int) -> float:
        with self.workers(adapter) as workers:
            workers.wait_for(1, FIRST_JOB_LIMIT)
            count, first, last = workers.wait_for(jobs, 2 * self._sizes.drain_seconds + 1)
        if count < 2:
            raise Unavailable("only one job started")
        self._rates["drain"] = (count - 1) / max(last - first, 1e-6)
        return self._rates["drain"]

    def _idle(self, adapter: Adapter) -> None:
        with self.workers(adapter) as workers:
            adapter.ask("enqueue-one", 1)
            if self._note("memory", lambda: self._memory(workers)) is None:
                return
            self._note("latency", lambda: self._latency(adapter))
            if look := self.about["look"]:
                for _ in range(self._sizes.looks):
                    self._note("look", lambda: 1_000 * adapter.time(look))

    def _memory(self, workers: Workers) -> float:
        workers.wait_for(1, FIRST_JOB_LIMIT)
        time.sleep(self._sizes.settle_seconds)
        return workers.memory()

    def _latency(self, adapter: Adapter) -> None:
        limit = 60 + 2 * self._sizes.latencies
        answer = adapter.ask("latency", self._sizes.latencies, limit=limit)
        self.figures.setdefault("latency", []).extend(1_000 * seconds for seconds in answer["latencies"])

    def _note(self, figure: str, measure: Callable[[], float | None]) -> float | None:
        try:
            value = measure()
        except Unavailable as error:
            self.notes[figure] = str(error)
            return None
        if value is not None:
            self._add(figure, value)
        return value

    def _add(self, figure: str, value: float) -> None:
        self.figures.setdefault(figure, []).append(value)


def _rate(answer: dict[str, float]) -> float:
    return answer["jobs"] / max(answer["seconds"], 1e-6)
