"""A loop that does nothing but give a scheduler its turns, until a signal ends it."""

import select
import signal
from collections.abc import Callable

from jq_cli.config.settings import Settings
from jq_cli.cron.scheduler import Scheduler
from jq_cli.errors import BackendError, JqError
from jq_cli.process.signals import Signals

PAUSES = (0.2, 0.5, 1.0, 2.0)
"""Seconds between tries while the store does not answer; the last one again and again."""


class SchedulerLoop:
    """SIGTERM and SIGINT end it, SIGHUP has `reload` give new settings."""

    def __init__(
        self,
        scheduler: Scheduler,
        signals: Signals,
        *,
        reload: Callable[[], Settings],
        say: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self._scheduler = scheduler
        self._signals = signals
        self._reload = reload
        self._say = say
        self._failures = 0

    def run(self) -> int:
        """Run to the end; gives the exit code."""
        while True:
            select.select([self._signals], [], [], self._turn())
            for number in self._signals.take():
                if number != signal.SIGHUP:
                    return 128 + number
                self._load()

    def _turn(self) -> float:
        """One turn of the scheduler; gives the seconds until the next."""
        try:
            wait = self._scheduler.tick() / 1_000
        except BackendError as error:
            if not self._failures:
                self._say(f"{error}; trying again")
            self._failures += 1
            return PAUSES[min(self._failures, len(PAUSES)) - 1]
        if self._failures:
            self._say("the store answers again")
        self._failures = 0
        return wait

    def _load(self) -> None:
        try:
            self._scheduler.use(self._reload())
            self._say("the configuration was read again")
        except JqError as error:
            self._say(f"the old configuration stays: {error}")
