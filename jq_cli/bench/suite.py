"""What is measured: each measure with each size, in turn, round after round."""

import os
import tempfile
import time
from collections.abc import Callable, Sequence

from jq_cli.bench import pool, store
from jq_cli.bench.drain import Drain
from jq_cli.bench.load import fill, fill_up, filled, text
from jq_cli.bench.probes import Probes
from jq_cli.bench.sample import Figure, Sample, Subject
from jq_cli.bench.sizes import BULK, Sizes
from jq_cli.bench.space import Space
from jq_cli.consumer import Consumer
from jq_cli.ids import nonce

MEASURES = ("enqueue", "bulk", "claim", "turn", "pool", "pool-5ms", "wake", "recovery")
OF_BATCHES = ("claim", "turn")
OF_PROCESSES = ("pool", "pool-5ms", "wake", "recovery")
WITHOUT_RATES = ("wake", "recovery")

NAPS_A_SECOND = 250
"""Jobs that one child of `pool-5ms` can do in a second, and some more."""

Samples = list[tuple[Subject, Sample]]


def subjects(measures: Sequence[str], sizes: Sizes) -> list[Subject]:
    """The measures with all their sizes, in the order of MEASURES."""
    return [subject for measure in MEASURES if measure in measures for subject in _subjects(measure, sizes)]


def _subjects(measure: str, sizes: Sizes) -> list[Subject]:
    if measure in OF_BATCHES:
        return [Subject(measure=measure, batch=batch) for batch in sizes.batches]
    if measure in OF_PROCESSES:
        return [Subject(measure=measure, processes=processes) for processes in sizes.processes]
    return [Subject(measure=measure, batch=BULK if measure == "bulk" else None)]


def figures(rounds: Sequence[Samples]) -> list[Figure]:
    """What rounds come to, in the order of the first."""
    found: dict[Subject, list[Sample]] = {}
    for samples in rounds:
        for subject, sample in samples:
            found.setdefault(subject, []).append(sample)
    return [Figure(subject, some, subject.measure not in WITHOUT_RATES) for subject, some in found.items()]


class Bench:
    """Measures in one namespace."""

    def __init__(self, space: Space, sizes: Sizes) -> None:
        self._space, self._backend, self._sizes = space, space.backend, sizes
        self._payload = text(sizes.payload)
        self._consumer = Consumer(space.backend)

    def warm_up(self) -> None:
        """See to it that connections, tables and scripts are there before the clock starts."""
        fill(self._backend, "warm-up", 1, self._payload)
        store.turns(self._consumer, "warm-up", 1, 1, self._sizes.most)

    def measure(self, subject: Subject) -> Samples:
        """The samples of one subject; a measure may have more than one."""
        match subject.measure:
            case "enqueue" | "bulk":
                return [(subject, self._enqueued(subject))]
            case "claim":
                claims, settles = self._claimed(subject.batch or 1)
                return [(subject, claims), (Subject(measure="settle", batch=subject.batch), settles)]
            case "turn":
                return [(subject, self._turned(subject.batch or 1))]
            case "pool" | "pool-5ms":
                return [(subject, self._drained(subject.measure, subject.processes or 1))]
            case _:
                return [(subject, self._probed(subject.measure, subject.processes or 1))]

    def _enqueued(self, subject: Subject) -> Sample:
        jobs, most = self._sizes.jobs, self._sizes.most
        return store.enqueue(self._backend, subject.measure, jobs, self._payload, most, at_once=subject.batch or 1)

    def _claimed(self, batch: int) -> tuple[Sample, Sample]:
        fill_up(self._backend, "claim", self._sizes.jobs, self._payload)
        return store.claim_and_settle(self._consumer, "claim", self._sizes.jobs, batch, self._sizes.most)

    def _turned(self, batch: int) -> Sample:
        fill_up(self._backend, "claim", self._sizes.jobs, self._payload)
        return store.turns(self._consumer, "claim", self._sizes.jobs, batch, self._sizes.most)

    def _drained(self, measure: str, processes: int) -> Sample:
        jobs, handler = self._sizes.jobs, "nothing"
        if measure == "pool-5ms":
            jobs, handler = min(jobs, 1 + round(NAPS_A_SECOND * self._sizes.most) * processes), "nap"
        fill_up(self._backend, measure, jobs, self._payload)
        return pool.drain(self._backend, measure, handler, processes, Drain(jobs, self._sizes.most))

    def _probed(self, measure: str, processes: int) -> Sample:
        if measure == "wake":
            return pool.probe(self._backend, measure, "since", processes, self._probes(measure, self._moment))
        with tempfile.TemporaryDirectory(prefix="jq-bench-") as folder:
            payload = lambda: filled({"file": os.path.join(folder, nonce())}, self._sizes.payload)  # noqa: E731
            return pool.probe(self._backend, measure, "since_its_death", processes, self._probes(measure, payload))

    def _moment(self) -> bytes:
        return filled({"at": time.monotonic_ns()}, self._sizes.payload)

    def _probes(self, measure: str, payload: Callable[[], bytes]) -> Probes:
        return Probes(
            self._space.open_another,
            measure,
            payload,
            count=self._sizes.probes if measure == "wake" else self._sizes.kills,
            most=self._sizes.most,
            hinted=self._hinted(measure),
        )

    def _hinted(self, queue: str) -> bool:
        watch = self._backend.watch([f"ready:{queue}"])
        if watch is not None:
            watch.close()
        return watch is not None
