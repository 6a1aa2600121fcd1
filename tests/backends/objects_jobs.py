"""Short words for tests of the objects backend."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from jq_cli.backends.base import Claim
from jq_cli.backends.objects.backend import ObjectsBackend
from jq_cli.backends.objects.store import Store
from jq_cli.change import Change
from jq_cli.draft import Draft, make_draft
from jq_cli.ids import new_id, nonce
from jq_cli.job import STATES, Job
from jq_cli.lifecycle import Keeping, Outcome, settle
from jq_cli.testing import ManualClock, check_structure
from jq_cli.testing.structure import listed


def backend(store: Store, clock: Callable[[], int] | None = None, **options: Any) -> ObjectsBackend:
    """The backend on a store."""
    return ObjectsBackend(store, clock or ManualClock(), **options)


def draft(payload: bytes = b'{"n": 1}', *, queue: str = "q", delay: int = 0, **fields: Any) -> Draft:
    """A draft of a job."""
    return make_draft(Job(id=fields.pop("id", None) or new_id(), queue=queue, payload=payload, **fields), delay=delay)


def claim(store: ObjectsBackend, limit: int = 1, worker: str = "w", name: str = "") -> list[Job]:
    """Jobs of the queue `q`."""
    return store.claim(Claim(("q",), limit, worker, 10_000, name or nonce())).jobs


def succeeded(job: Job, **keeping: Any) -> Change:
    """The change of a success."""
    outcome = Outcome("succeeded", output=b'"said"')
    return settle(job, outcome, now=0, rand=0.0, keeping=Keeping(**keeping))


def told(store: ObjectsBackend) -> dict[str, Any]:
    """Everything a store can tell, by its own words and by its tables."""
    check_structure(store)
    names = store.queues()
    jobs = {(name, state): listed(store, name, state) for name in names for state in STATES}
    tables = store._log.tables
    return {
        "jobs": jobs,
        "outputs": {place: store.outputs(place[0], [job.id for job in some]) for place, some in jobs.items()},
        "counts": store.counts(),
        "notes": store.read(""),
        "keys": {name: dict(queue.keys) for name, queue in tables.queues.items() if queue.keys},
    }


class Requests:
    """Counts requests by kind."""

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()

    def __call__(self, request: str, name: str, phase: str) -> None:
        if phase == "before":
            self.counted[request] += 1

    def during(self, work: Callable[[], object]) -> dict[str, int]:
        """The requests that some work makes."""
        self.counted.clear()
        work()
        return dict(self.counted)
