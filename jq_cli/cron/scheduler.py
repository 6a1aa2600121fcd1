"""The scheduler: fires the ticks of all schedules, each once, however many schedulers run.

A worker gives it a turn in its loop, `jq cron run` and the server do the same. It keeps nothing that matters in memory: whoever
looks next goes on from the notes in the store (`jq_cli.cron.note` tells how a tick goes through its steps).

Why a tick fires once
- Decided once: the note's compare-and-swap lets one scheduler put a tick under `firing`; the cursor moves in the same write.
- Fired at least once: a decided tick stays in the note until its job is stored; who finds it there after the one that decided
  it has been silent for `TAKEOVER` inserts the job.
- Stored at most once: the job's id and its dedup key `cron:<name>:<tick>` follow from the name and the tick alone, so a second
  insert is answered `duplicate`, for seven days.
Why jobs of a schedule do not overlap where they must not: its jobs share one idempotency key, which the store takes in the same
step in which it accepts a job and holds until the job has ended. No two of them can be unfinished at once, whoever inserts them.
"""

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from jq_cli.backends.base import Backend, Inserted
from jq_cli.config.settings import Settings
from jq_cli.cron import note as notes
from jq_cli.cron.note import CLOCK_WENT_BACK, PREFIX, TAKEOVER, Note, Run
from jq_cli.cron.schedule import Schedule, tick_id
from jq_cli.cron.timetable import tick_after, timetable
from jq_cli.errors import InvalidField
from jq_cli.ids import nonce
from jq_cli.intake.tick_drafts import TickDrafter, drafter_cache
from jq_cli.job import FINAL

LOOK = 5_000
"""Ms between looks when nothing is due: changes of schedules are seen within that."""

RETRY = 20
"""Ms until the next look after somebody else changed the same note, or a lock was about to end."""

WAITING = 1_000
"""Ms between looks at the job that a waiting tick waits for."""

BUDGET = 0.2
"""Seconds that one turn may take before it gives its caller a turn in between."""

CHUNK = 100
CHUNK_BYTES = 2 * 1024 * 1024
"""Jobs inserted in one call, and bytes of their payloads."""


class _Entry(NamedTuple):
    """One schedule as it is now: its definition and the stored note, decoded and as it was read."""

    schedule: Schedule
    note: Note
    stored: bytes | None

    @property
    def run(self) -> Run:
        return self.note.runs[self.schedule.key]


class Scheduler:
    """Call `tick` again and again. `say` gets problems for people, `tell` each fired tick: schedule, tick (s), job id."""

    def __init__(
        self,
        backend: Backend,
        settings: Settings,
        *,
        say: Callable[[str], None] = lambda _text: None,
        tell: Callable[[Schedule, int, str], None] = lambda _schedule, _tick, _job: None,
    ) -> None:
        self.backend = backend
        self._say = say
        self._tell = tell
        self._me = nonce()
        self._seen: set[tuple[str, str]] = set()
        self._said: set[str] = set()
        self._last = ""
        self.use(settings)

    def use(self, settings: Settings) -> None:
        """Go on with other settings: those of a configuration file that changed."""
        self._settings = settings
        self._drafter = drafter_cache(settings)
        self._said.clear()

    def tick(self) -> int:
        """Fire what is due. Gives the ms until the next look is worth it: 0 when there is more to do at once.

        Raises BackendError when the store does not answer; call again later. Returns within a fraction of a second unless a
        single call of the store takes longer.
        """
        started = time.monotonic()
        now = self.backend.now()
        wait = LOOK
        for entry in self._entries():
            wait = min(wait, self._step(entry, now))
            if time.monotonic() - started > BUDGET:
                self._last = entry.schedule.name
                return 0
        self._last = ""
        return wait

    # --- which schedules there are ---

    def _entries(self) -> Iterator[_Entry]:
        stored = self.backend.read(PREFIX)
        names = {key.removeprefix(PREFIX) for key in stored} | self._settings.schedules.keys()
        # After a turn that ended early the next one begins with those that had none.
        for name in sorted(names, key=lambda name: (name <= self._last, name)):
            entry = self._entry(name, stored.get(PREFIX + name))
            if entry is not None and self._usable(entry.schedule):
                yield entry

    def _entry(self, name: str, stored: bytes | None) -> _Entry | None:
        note = Note() if stored is None else notes.decode(stored)
        if note is None:
            self._complain(name, f"schedule {name}: its note in the store is damaged; `jq cron rm {name}` removes it")
            return None
        own = self._settings.schedules.get(name)
        if own is not None and note.schedule is not None:
            self._complain(name, f"schedule {name} of the store is replaced by the one in {self._settings.file}")
            note = Note(paused=note.paused, paused_by=note.paused_by, paused_at=note.paused_at)
        schedule = own or note.schedule
        return None if schedule is None else _Entry(schedule, note, stored)

    def _usable(self, schedule: Schedule) -> bool:
        try:
            self._drafter(schedule)
        except InvalidField as error:
            self._complain(schedule.name, f"schedule {schedule.name} cannot fire: {error}")
            return False
        return True

    def _complain(self, name: str, problem: str) -> None:
        if name not in self._said:
            self._said.add(name)
            self._say(problem)

    # --- one schedule ---

    def _step(self, entry: _Entry, now: int) -> int:
        """Do what is due for one schedule; gives the ms until it wants another look."""
        begun = self._begin(entry, now)
        if begun is not entry:
            return 0 if self._write(entry, begun.note) else RETRY
        run = entry.run
        if run.firing:
            return self._finish(entry, now)
        if entry.note.paused or entry.schedule.paused:
            return LOOK
        if run.waiting is not None and self._is_free(entry):
            return self._decide(entry, [run.waiting], run.cursor, now)
        return self._look(entry, now)

    def _begin(self, entry: _Entry, now: int) -> _Entry:
        """The entry itself, or one whose progress must be written first: it is new, or its clock was wrong."""
        key, second = entry.schedule.key, now // 1_000
        first_look = (entry.schedule.name, key) not in self._seen
        self._seen.add((entry.schedule.name, key))
        run = entry.note.runs.get(key)
        if run is None:
            return entry._replace(note=entry.note.begun(key, second))
        if first_look and entry.note.superseded(key) and run.cursor < second:
            # Another file was in force since this timetable last ran; what it missed meanwhile was not its to fire.
            return entry._replace(note=entry.note.with_run(key, run.moved_on(second)))
        if run.cursor > second + CLOCK_WENT_BACK:
            # Ticks that fired already are known by their ids and keys; a minute more for those that are due just now.
            return entry._replace(note=entry.note.with_run(key, run.taken_back(second - CLOCK_WENT_BACK)))
        return entry

    def _look(self, entry: _Entry, now: int) -> int:
        """Decide what is due, or tell when something will be."""
        schedule, run = entry.schedule, entry.run
        due = tick_after(schedule.cron, schedule.timezone, run.cursor)
        if due is None or due * 1_000 > now:
            most = WAITING if run.waiting is not None else LOOK
            return most if due is None else min(most, due * 1_000 - now)
        ticks = notes.to_fire(run, timetable(schedule.cron, schedule.timezone), now, schedule.catch_up)
        return self._decide(entry, ticks, now // 1_000, now)

    def _decide(self, entry: _Entry, ticks: list[int], cursor: int, now: int) -> int:
        waits = entry.run.waiting
        run = entry.run.decided(ticks, cursor, self._me, now, waiting=None if ticks == [waits] else waits)
        decided = entry.note.with_run(entry.schedule.key, run)
        stored = self._write(entry, decided)
        if stored is None:
            return RETRY
        return self._fire(_Entry(entry.schedule, decided, stored), now) if ticks else 0

    def _finish(self, entry: _Entry, now: int) -> int:
        """Fire what was decided before: by this scheduler, or by one that has been silent for too long."""
        run = entry.run
        if run.by == self._me:
            return self._fire(entry, now)
        silent = abs(now - run.decided_at)
        if silent < TAKEOVER:
            return TAKEOVER - silent
        return self._decide(entry, list(run.firing), run.cursor, now)

    # --- firing ---

    def _fire(self, entry: _Entry, now: int) -> int:
        drafter = self._drafter(entry.schedule)
        run = (
            self._fire_one(entry, drafter, now)
            if entry.schedule.overlap != "allow"
            else self._fire_some(entry, drafter, now)
        )
        if run is None:
            return RETRY
        # When this write loses, what it took off `firing` is fired again, as a duplicate, and taken off then.
        return 0 if self._write(entry, entry.note.with_run(entry.schedule.key, run)) else RETRY

    def _fire_some(self, entry: _Entry, drafter: TickDrafter, now: int) -> Run:
        """Fire as many of the decided ticks as one call carries."""
        most = max(1, min(CHUNK, CHUNK_BYTES // (drafter.size + 1)))
        ticks = entry.run.firing[:most]
        answers = self.backend.insert([drafter.tick(tick) for tick in ticks])
        for tick, answer in zip(ticks, answers, strict=True):
            self._told(entry, tick, answer)
        return entry.run.done(ticks, entry.schedule.queue, answers[-1].id, now)

    def _fire_one(self, entry: _Entry, drafter: TickDrafter, now: int) -> Run | None:
        """Fire the first of the decided ticks unless a job of the schedule has not ended. None: its end is being recorded."""
        schedule, run = entry.schedule, entry.run
        wait = schedule.overlap == "queue-one"
        if not self._is_free(entry):
            return run.held_up(str(run.holder), run.queue, wait=wait)
        tick = run.firing[0]
        [answer] = self.backend.insert([drafter.tick(tick)])
        if answer.status == "replayed":
            return None
        if answer.id != tick_id(schedule.name, tick):
            return run.held_up(answer.id, schedule.queue, wait=wait)
        self._told(entry, tick, answer)
        return run.done([tick], schedule.queue, answer.id, now)

    def _is_free(self, entry: _Entry) -> bool:
        """Whether the job that was last seen to stand in the way has ended. A guess that saves a useless insert: the store's
        key decides."""
        run = entry.run
        if run.holder is None or entry.schedule.overlap == "allow":
            return True
        [job] = self.backend.get(run.queue, [run.holder])
        return job is None or job.state in FINAL

    def _told(self, entry: _Entry, tick: int, answer: Inserted) -> None:
        if answer.status == "created":
            self._tell(entry.schedule, tick, answer.id)

    def _write(self, entry: _Entry, note: Note) -> bytes | None:
        """What was written, None when somebody else changed the note meanwhile."""
        stored = notes.encode(note)
        return stored if self.backend.swap(PREFIX + entry.schedule.name, entry.stored, stored) else None
