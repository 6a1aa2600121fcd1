"""A scheduler that lives in the loop of a worker."""

import time

from jq_cli.cron.scheduler import Scheduler
from jq_cli.worker.part import Part


class CronPart(Part):
    """Gives the scheduler its turns when they are due. After an error the next turn comes as soon as the store answers."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._at = 0.0

    def patience(self) -> float:
        return max(0.0, self._at - time.monotonic())

    def talk(self) -> None:
        if time.monotonic() >= self._at:
            wait = self._scheduler.tick()
            self._at = time.monotonic() + wait / 1_000
