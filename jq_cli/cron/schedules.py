"""What an operator does with schedules: look, add, edit, remove, pause, resume, trigger. On every store.

Who owns a schedule
- One of the configuration file belongs to the file: it is changed there, and fires wherever a scheduler with that file runs. The
  store keeps its progress and whether it is paused.
- One that was added at run time belongs to the store, and every scheduler fires it.
- When both have the same name the file wins: a scheduler with the file drops the store's definition.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from jq_cli.backends.base import Backend, Inserted
from jq_cli.client import Client
from jq_cli.config.settings import Settings
from jq_cli.cron import note as notes
from jq_cli.cron.note import PREFIX, Note, Run
from jq_cli.cron.schedule import Schedule, checked
from jq_cli.cron.timetable import tick_after
from jq_cli.cron.zone import zone
from jq_cli.draft import check_name
from jq_cli.errors import Conflict, InvalidField, NotFound
from jq_cli.intake.tick_drafts import TickDrafter
from jq_cli.job import Job

TRIES = 8
"""How often a change is made again because a scheduler changed the note between look and write."""

Source = Literal["file", "store", "elsewhere", "damaged"]


class Known(msgspec.Struct, frozen=True):
    """A schedule as it is found. `source` elsewhere: the file of some other host defines it, and only what its schedulers left
    in the store is known here; damaged: its note cannot be read. `where`: file and line."""

    name: str
    source: Source
    schedule: Schedule | None
    note: Note
    stored: bytes | None
    where: str = ""

    @property
    def run(self) -> Run | None:
        """Its progress, None before a scheduler saw it."""
        return self.note.runs.get(self.schedule.key) if self.schedule is not None else None

    @property
    def paused(self) -> bool:
        """Whether an operator or the file paused it."""
        return self.note.paused or (self.schedule is not None and self.schedule.paused)

    def next_tick(self, now: int) -> int | None:
        """The first tick (seconds) after `now` (ms) or the cursor; None while it is paused or when there is none."""
        if self.schedule is None or self.paused:
            return None
        after = now // 1_000 if self.run is None else max(now // 1_000, self.run.cursor)
        return tick_after(self.schedule.cron, self.schedule.timezone, after)

    def lag(self, now: int) -> float | None:
        """Seconds by which the earliest tick that no scheduler has looked at is late; None while it is paused."""
        if self.schedule is None or self.paused:
            return None
        due = None if self.run is None else tick_after(self.schedule.cron, self.schedule.timezone, self.run.cursor)
        return 0.0 if due is None else max(0, now - due * 1_000) / 1_000


class Schedules:
    """All schedules that a store and this host's settings know of."""

    def __init__(self, backend: Backend, settings: Settings, *, wait: Callable[[float], None] = time.sleep) -> None:
        self.backend = backend
        self.settings = settings
        self._wait = wait

    # --- looking ---

    def all(self) -> list[Known]:
        """Every schedule, by name."""
        stored = self.backend.read(PREFIX)
        names = {key.removeprefix(PREFIX) for key in stored} | self.settings.schedules.keys()
        return [self._known(name, stored.get(PREFIX + name)) for name in sorted(names)]

    def find(self, name: str) -> Known:
        """The schedule of that name. Raises NotFound with near names."""
        check_name(name, "schedule")
        stored = self.backend.read(PREFIX + name).get(PREFIX + name)
        if stored is not None or name in self.settings.schedules:
            return self._known(name, stored)
        from difflib import get_close_matches

        near = get_close_matches(name, [known.name for known in self.all()], n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise NotFound(f"no such schedule: {name}{hint} (store: {self.backend.url})")

    def told(self, name: str) -> str:
        """When a schedule fires next, in words that follow its name."""
        known = self.find(name)
        tick = known.next_tick(self.backend.now())
        if tick is None or known.schedule is None:
            return "is paused" if known.paused else "never fires again"
        return f"fires next at {zone(known.schedule.timezone).show(tick)}"

    def last_jobs(self, known: Sequence[Known]) -> dict[str, Job]:
        """The jobs of the schedules' last ticks by id, as far as they are kept."""
        ids: dict[str, list[str]] = {}
        for run in [each.run for each in known]:
            if run is not None and run.job is not None:
                ids.setdefault(run.queue, []).append(run.job)
        found = [job for queue, some in ids.items() for job in self.backend.get(queue, some)]
        return {job.id: job for job in found if job is not None}

    def _known(self, name: str, stored: bytes | None) -> Known:
        note = Note() if stored is None else notes.decode(stored)
        if name in self.settings.schedules:
            schedule, where = self.settings.schedules[name], self.settings.sources.get(("schedules", name), "")
            return Known(name, "file", schedule, note or Note(), stored, where)
        if note is None:
            return Known(name, "damaged", None, Note(), stored)
        if note.schedule is not None:
            return Known(name, "store", note.schedule, note, stored)
        return Known(name, "elsewhere", _left_behind(name, note), note, stored)

    # --- changing ---

    def add(self, schedule: Schedule) -> Schedule:
        """Create a schedule; its first tick is the first one after now. Raises Conflict when the name is taken, InvalidField for
        what no job could be made of."""
        schedule = self._usable(schedule)
        key, now = PREFIX + schedule.name, self.backend.now()
        note = Note(schedule=schedule).begun(schedule.key, now // 1_000)
        if schedule.name in self.settings.schedules or not self.backend.swap(key, None, notes.encode(note)):
            raise Conflict(self._taken(self.find(schedule.name)))
        return schedule

    def edit(self, name: str, changes: Mapping[str, Any]) -> Schedule:
        """Change fields of a schedule of the store. Ticks before now let it go: under a new timetable none of them fires, under
        the same one only those that are on time."""
        edited: list[Schedule] = []

        def change(known: Known, now: int) -> Note:
            schedule = self._usable(replace(self._own(known, "edit"), **changes))
            edited.append(schedule)
            return known.note.edited(schedule, now // 1_000)

        self._change(name, change)
        return edited[-1]

    def remove(self, name: str) -> None:
        """Remove a schedule of the store, or what one of another host's file left there."""

        def change(known: Known, now: int) -> None:
            if known.source == "file":
                raise Conflict(f"schedule {name} is defined in {known.where}; remove it there")

        self._change(name, change)

    def pause(self, name: str, *, reason: str = "", by: str = "") -> None:
        """Stop its ticks, wherever it is defined."""

        def change(known: Known, now: int) -> Note:
            _readable(known)
            return replace(known.note, paused=True, paused_by=by, paused_reason=reason, paused_at=now)

        self._change(name, change)

    def resume(self, name: str) -> None:
        """Let it fire again from its next tick on; what came due meanwhile never fires."""

        def change(known: Known, now: int) -> Note:
            if _readable(known).paused:
                raise Conflict(f"schedule {name} is paused in {known.where}; change it there")
            return known.note.resumed(now // 1_000) if known.note.paused else known.note

        self._change(name, change)

    def trigger(self, name: str, *, force: bool = False) -> Inserted:
        """Make its job now, beside its ticks. Where jobs may not overlap, Conflict while one has not ended, unless forced."""
        known = self.find(name)
        if known.source == "elsewhere":
            raise Conflict(f"schedule {name} is defined in the file of another host; trigger it there")
        drafter = TickDrafter(self.settings, _readable(known))
        draft = drafter.between(self.backend.now() // 1_000, locked=not force)
        [answer] = Client(self.backend, self.settings, wait=self._wait).enqueue([draft])
        if answer.status == "duplicate":
            raise Conflict(
                f"schedule {name}: job {answer.id} has not ended and its jobs may not overlap; --force overrides"
            )
        if answer.status != "created":  # the last job ended in this very millisecond
            self._wait(0.01)
            return self.trigger(name, force=force)
        return answer

    def _usable(self, schedule: Schedule) -> Schedule:
        schedule = checked(schedule, self.settings.max_payload)
        TickDrafter(self.settings, schedule)
        return schedule

    def _own(self, known: Known, verb: str) -> Schedule:
        if known.source == "file":
            raise Conflict(f"schedule {known.name} is defined in {known.where}; {verb} it there")
        if known.source == "elsewhere":
            raise Conflict(f"schedule {known.name} is defined in the file of another host; {verb} it there")
        return _readable(known)

    def _change(self, name: str, change: Callable[[Known, int], Note | None]) -> None:
        for _ in range(TRIES):
            known = self.find(name)
            new = change(known, self.backend.now())
            encoded = None if new is None else notes.encode(new)
            if encoded == known.stored or self.backend.swap(PREFIX + name, known.stored, encoded):
                return
        raise Conflict(f"schedule {name} kept changing; try again")

    def _taken(self, known: Known) -> str:
        if known.source == "store":
            return f"schedule {known.name} is there already; jq cron edit {known.name} changes it"
        where = f"in {known.where}" if known.source == "file" else "in the file of another host"
        if known.source == "damaged":
            return f"schedule {known.name} has a damaged note; jq cron rm {known.name} removes it"
        return f"schedule {known.name} is defined {where}; choose another name"


def _readable(known: Known) -> Schedule:
    if known.schedule is None:
        raise Conflict(f"schedule {known.name} has a damaged note; jq cron rm {known.name} removes it")
    return known.schedule


def _left_behind(name: str, note: Note) -> Schedule | None:
    """What can be told of a schedule from its progress alone."""
    if not note.runs:
        return None
    key, run = max(note.runs.items(), key=lambda item: item[1].since)
    cron, _, timezone = key.rpartition(" ")
    try:
        return checked(Schedule(name=name, cron=cron, timezone=timezone, queue=run.queue or "unknown"))
    except InvalidField:
        return None
