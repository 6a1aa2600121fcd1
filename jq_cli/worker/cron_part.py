"""A scheduler that lives in the loop of a worker."""

import time
from collections.abc import Callable

from jq_cli.cron.scheduler import Scheduler
from jq_cli.errors import NotAuthorised
from jq_cli.worker.part import Part

REFUSED = 60.0
"""Seconds until another turn where the store does not let this worker fire schedules."""


class CronPart(Part):
    """Gives the scheduler its turns when they are due. After an error the next turn comes as soon as the store answers. Where the
    scheduler is refused, such as by a server whose token is for work alone, the worker works on without it, and `say` is told."""

    def __init__(self, scheduler: Scheduler, say: Callable[[str], None]) -> None:
        self._scheduler = scheduler
        self._say = say
        self._at = 0.0
        self._refused = False

    def patience(self) -> float:
        return max(0.0, self._at - time.monotonic())

    def talk(self) -> None:
        if time.monotonic() >= self._at:
            self._at = time.monotonic() + self._turn()

    def _turn(self) -> float:
        """One turn; gives the seconds until the next."""
        try:
            wait = self._scheduler.tick()
        except NotAuthorised as error:
            if not self._refused:
                self._refused = True
                self._say(f"this worker fires no schedules: {error}")
            return REFUSED
        self._refused = False
        return wait / 1_000
