"""Builds the drafts of scheduled jobs: the queue's settings, then what the schedule says."""

from collections.abc import Callable

from msgspec.structs import replace

from jq_cli.config.settings import Settings
from jq_cli.cron.schedule import Schedule, checked, overlap_key, tick_id, tick_key
from jq_cli.cron.timetable import tick_after
from jq_cli.draft import CRON_KEY_TTL, MAX_DELAY, Draft, Line
from jq_cli.durations import format_moment
from jq_cli.ids import new_id
from jq_cli.intake.drafting import Drafter, check_payload

RELEASED = 0.001
"""Seconds for which the key that keeps jobs from overlapping outlives its job: as short as a store allows."""

LONG_ENOUGH = 60.0
"""A schedule whose ticks are as many seconds apart keeps its last job until the next one is there, so that people can see how
it ended. One that fires more often leaves that to the queue's retention, or its jobs would pile up."""

TICK_HEADER = "tick"


class TickDrafter:
    """Makes the jobs of one schedule. Raises InvalidField for one of which no job can be made."""

    def __init__(self, settings: Settings, schedule: Schedule) -> None:
        checked(schedule, settings.max_payload)
        self._schedule = schedule
        line = Line(payload=schedule.payload, **schedule.options())
        self._drafter = Drafter(settings, schedule.queue, line)
        self._payload = check_payload(schedule.payload, settings.max_payload)
        self._retention = settings.queue(schedule.queue).retention

    @property
    def size(self) -> int:
        """Bytes of a job's payload."""
        return len(self._payload)

    def tick(self, tick: int) -> Draft:
        """The job of a tick: its id and keys are the same whoever makes it."""
        name = self._schedule.name
        draft = self._scheduled(tick_id(name, tick), tick, self._schedule.overlap != "allow")
        job = replace(draft.job, dedup_key=tick_key(name, tick), dedup_ttl=CRON_KEY_TTL, dedup_until="ttl")
        return replace(draft, job=job)

    def between(self, now: int, *, locked: bool) -> Draft:
        """A job between ticks, asked for at `now` seconds. `locked`: not while the schedule's last job has not ended."""
        return self._scheduled(new_id(), now, locked and self._schedule.overlap != "allow")

    def _scheduled(self, id: str, at: int, locked: bool) -> Draft:
        draft = self._drafter.plain(self._payload, id)
        headers = {TICK_HEADER: format_moment(at * 1_000)} | draft.job.headers
        job = replace(draft.job, schedule=self._schedule.name, headers=headers, retention=self._kept(at))
        if not locked:
            return replace(draft, job=job)
        # Every job of the schedule has the same lock, whatever its payload became meanwhile.
        job = replace(job, idempotency_key=overlap_key(self._schedule.name), idempotency_ttl=RELEASED)
        return replace(draft, job=job, fingerprint=overlap_key(self._schedule.name))

    def _kept(self, at: int) -> float | None:
        schedule = self._schedule
        following = tick_after(schedule.cron, schedule.timezone, at)
        if schedule.retention is not None or not self._retention or following is None:
            return schedule.retention
        gap = following - at + LONG_ENOUGH
        return None if gap < 2 * LONG_ENOUGH else min(max(gap, self._retention), MAX_DELAY / 1_000)


def drafter_cache(settings: Settings) -> Callable[[Schedule], TickDrafter]:
    """Gives the drafter of a schedule, made once as long as the schedule stays the same."""
    known: dict[str, tuple[Schedule, TickDrafter]] = {}

    def drafter(schedule: Schedule) -> TickDrafter:
        found = known.get(schedule.name)
        if found is None or found[0] != schedule:
            found = known[schedule.name] = (schedule, TickDrafter(settings, schedule))
        return found[1]

    return drafter
