"""What a store keeps of a schedule: its definition if it is not a file's, whether it is paused, and how far its ticks were
decided. Pure: every transition gives a new note; whoever made it writes it if the stored one is still the old one.

A tick goes through three steps. *Decided*: one write moves the cursor past it and, if the policies let it fire, puts it under
`firing`; of many schedulers one wins that write. *Fired*: the winner inserts its job. *Done*: another write takes it off
`firing`. When the winner dies in between, another takes over `TAKEOVER` later and inserts the job again, under the same id and
dedup key.
"""

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from jq_cli.cron.schedule import CatchUp, Schedule
from jq_cli.cron.timetable import Timetable

PREFIX = "cron:"

ON_TIME = 5
"""Seconds by which a tick may be late without counting as missed."""

SKIP_AFTER = 60
"""Seconds after which `skip` lets a missed tick go."""

MOST_CAUGHT_UP = 1_000

TAKEOVER = 3_000
"""Ms after which another scheduler fires what one has decided."""

CLOCK_WENT_BACK = 60
"""Seconds by which a cursor must be in the future before it is taken back: some clock was wrong."""

KEPT_RUNS = 4
"""Timetables whose progress is kept beside the one in use: files may differ between hosts while they are changed."""


class Run(msgspec.Struct, frozen=True, omit_defaults=True):
    """The progress of one timetable. Ticks are seconds since the epoch.

    since      when it was first seen; no tick before that fires
    cursor     all ticks up to here are decided
    firing     decided to fire, job not yet known to be stored; by whom and when (ms) that was decided
    waiting    a tick that fires when the job before has ended (`queue-one`)
    last, job  the last tick fired and its job, on `queue`
    holder     the job on `queue` that was last seen to stand in the way of the next one, where jobs may not overlap
    """

    since: int
    cursor: int
    firing: tuple[int, ...] = ()
    by: str = ""
    decided_at: int = 0
    waiting: int | None = None
    last: int | None = None
    job: str | None = None
    queue: str = ""
    holder: str | None = None
    fired: int = 0
    overlapped: int = 0

    def decided(self, ticks: Sequence[int], cursor: int, by: str, now: int, *, waiting: int | None) -> "Run":
        """After a scheduler decided, at `now` ms, that of the ticks up to the cursor these fire."""
        return replace(self, firing=tuple(ticks), cursor=cursor, by=by, decided_at=now, waiting=waiting)

    def done(self, ticks: Sequence[int], queue: str, job: str, now: int) -> "Run":
        """After the jobs of the first of the decided ticks were stored, the last one as `job`."""
        left = self.firing[len(ticks) :]
        fields = {"last": ticks[-1], "job": job, "holder": job, "queue": queue, "fired": self.fired + len(ticks)}
        return replace(self, firing=left, decided_at=now, **fields)

    def held_up(self, by: str, queue: str, *, wait: bool) -> "Run":
        """After the job `by` stood in the way of what was decided: with `wait` the first tick may wait, the rest is let go."""
        kept = self.firing[0] if wait and self.waiting is None else None
        waiting = self.waiting if kept is None else kept
        gone = len(self.firing) - (kept is not None)
        return replace(self, firing=(), waiting=waiting, holder=by, queue=queue, overlapped=self.overlapped + gone)

    def taken_back(self, to: int) -> "Run":
        """The same run with the cursor set back to `to`, where no clock lied."""
        return replace(self, cursor=to)

    def moved_on(self, to: int) -> "Run":
        """The same run with every tick up to `to` let go; what was decided still fires."""
        return replace(self, cursor=max(self.cursor, to), waiting=None)


class Note(msgspec.Struct, frozen=True, omit_defaults=True):
    """The note `cron:<name>`. `schedule` is None when a file defines it. `runs` maps a timetable's key to its progress: one,
    unless the files of several hosts differ."""

    schedule: Schedule | None = None
    paused: bool = False
    paused_by: str = ""
    paused_reason: str = ""
    paused_at: int | None = None
    runs: dict[str, Run] = {}

    def with_run(self, key: str, run: Run) -> "Note":
        """This note with the progress of one timetable."""
        return replace(self, runs=self.runs | {key: run})

    def begun(self, key: str, now: int) -> "Note":
        """This note with a timetable first seen at `now` seconds: none of its past ticks fires."""
        others = sorted(self.runs.items(), key=lambda item: item[1].cursor)[-KEPT_RUNS + 1 :]
        return replace(self, runs={**dict(others), key: Run(since=now, cursor=now)})

    def resumed(self, now: int) -> "Note":
        """Not paused any more; ticks up to `now` seconds are let go."""
        runs = {key: run.moved_on(now) for key, run in self.runs.items()}
        return Note(schedule=self.schedule, runs=runs)

    def edited(self, schedule: Schedule, now: int) -> "Note":
        """With another definition. A new timetable starts now; under the old one only ticks that are on time still fire."""
        old = self.runs.get(self.schedule.key) if self.schedule is not None else None
        run = Run(since=now, cursor=now) if old is None else old
        run = run.moved_on(now - ON_TIME if schedule.key in self.runs else now)
        return replace(self, schedule=schedule, runs={schedule.key: run})

    def superseded(self, key: str) -> bool:
        """Whether another timetable took this one's place after it last ran."""
        cursor = self.runs[key].cursor
        return any(run.since > cursor for other, run in self.runs.items() if other != key)


def decode(stored: bytes) -> Note | None:
    """The note, None when it cannot be decoded."""
    try:
        return msgspec.json.decode(stored, type=Note)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def encode(note: Note) -> bytes:
    """The note as it is stored."""
    return msgspec.json.encode(note)


def to_fire(run: Run, timetable: Timetable, now: int, catch_up: CatchUp) -> list[int]:
    """Which of the ticks between the cursor and `now` (ms) fire, earliest first. Those up to `ON_TIME` late all do."""
    until = now // 1_000
    if catch_up == "all":
        return timetable.newest(run.cursor, until, MOST_CAUGHT_UP)
    on_time = list(timetable.ticks(max(run.cursor, until - ON_TIME - 1), until))
    missed = on_time or timetable.newest(run.cursor, until, 1)
    if catch_up == "skip":
        return [tick for tick in missed if now - tick * 1_000 < SKIP_AFTER * 1_000]
    return missed
