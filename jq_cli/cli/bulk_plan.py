"""What a bulk action is about to do to a queue: how many jobs it means, told and asked before anything is changed."""

from collections.abc import Sequence

import msgspec

from jq_cli.backends.base import QueueCounts
from jq_cli.client import Client
from jq_cli.job import State
from jq_cli.triage.bulk import known_by
from jq_cli.triage.filter import JobFilter
from jq_cli.view.bar import Bar


class Plan(msgspec.Struct, frozen=True):
    """The jobs of a queue that are meant, by state, as counted at a moment (ms) of the store.

    there   all jobs of the queue in each of these states
    running  those that would be meant if they did not run; None when nobody asked
    """

    queue: str
    now: int
    counts: dict[State, int]
    there: dict[State, int]
    narrow: bool
    running: int = 0

    @property
    def total(self) -> int:
        """How many jobs are meant."""
        return sum(self.counts.values())

    def told(self) -> str:
        """The count in words."""
        match = (" matches" if self.total == 1 else " match") if self.narrow else ""
        parts = ", ".join(f"{count:,} {state}" for state, count in self.counts.items() if count)
        if len(self.counts) == 1:
            [(state, count)] = self.counts.items()
            text = f"{count:,} of {jobs_text(self.there[state], state)}{match}" if match else jobs_text(count, state)
        elif parts:
            text = f"{jobs_text(self.total)}{match} ({parts})"
        else:
            text = f"no jobs{match}"
        return f"{text}; {stay(self.running)}" if self.running else text


def make_plan(client: Client, queue: QueueCounts, states: Sequence[State], jobs: JobFilter, bar: Bar) -> Plan:
    """Counts the jobs of a queue in these states that a filter means. Looks at each of them when the filter makes it."""
    there = {state: queue.states.get(state, 0) for state in states}
    if not jobs.narrow:
        return Plan(queue.queue, queue.now, there, there, narrow=False)
    counting = _Counting(client, queue, jobs, bar, sum(there.values()))
    counts = {state: counting.count(state) if there[state] else 0 for state in states}
    return Plan(queue.queue, queue.now, counts, there, narrow=True)


class _Counting:
    def __init__(self, client: Client, queue: QueueCounts, jobs: JobFilter, bar: Bar, total: int) -> None:
        self._client, self._queue, self._jobs, self._bar, self._total = client, queue, jobs, bar, total
        self._seen = self._found = 0

    def count(self, state: State) -> int:
        before, known = self._found, known_by(self._queue.now)
        for job in self._client.matching(self._queue.queue, (state,), self._jobs, self._queue.now, seen=self._step):
            self._found += known(job)
        return self._found - before

    def _step(self, jobs: int) -> None:
        self._seen += jobs
        self._bar.step(f"count {self._queue.queue}", self._found, self._seen, self._total)


def question(verb: str, plans: Sequence[Plan]) -> str:
    """What to ask before the plans are carried out."""
    if len(plans) == 1:
        [plan] = plans
        states = [state for state, count in plan.counts.items() if count]
        if len(states) == 1:
            return f"{verb} {jobs_text(plan.total, states[0])} of {plan.queue}"
        return f"{verb} {jobs_text(plan.total)} of {plan.queue}"
    return f"{verb} {jobs_text(sum(plan.total for plan in plans))} of {len(plans)} queues"


def jobs_text(count: int, state: str = "") -> str:
    """A number of jobs in words."""
    return f"{count:,} {state}{' ' if state else ''}job{'' if count == 1 else 's'}"


def stay(running: int) -> str:
    """That so many running jobs are left as they are, in words."""
    return f"{jobs_text(running, 'running')} stay{'s' if running == 1 else ''}"
