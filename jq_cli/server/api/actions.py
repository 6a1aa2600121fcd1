"""What operators do to jobs through the Admin API: the same changes as the commands make, noted in the job in the same way."""

from collections.abc import Callable

import msgspec

from jq_cli import lifecycle
from jq_cli.change import Change
from jq_cli.config.settings import Settings
from jq_cli.errors import Conflict, NotFound
from jq_cli.job import Job, State
from jq_cli.server.api.desk import Desk
from jq_cli.server.api.records import Edit

Make = Callable[[Job, str], Change]


class Action(msgspec.Struct, frozen=True):
    """What is done, in the past tense as it is noted, to jobs in which states."""

    done: str
    states: tuple[State, ...]
    make: Callable[[Settings], Make]

    def maker(self, desk: Desk, now: int) -> Make:
        """Makes the change of a job, noted as done by the caller."""
        make = self.make(desk.settings)
        return lambda job, mark: desk.noted(make(job, mark), job, self.done, now)


def _cancel(settings: Settings) -> Make:
    return lambda job, mark: lifecycle.cancel(job, mark, settings.keeping(job.queue))


def _purge(settings: Settings) -> Make:
    def purge(job: Job, mark: str) -> Change:
        if job.state != "dead":
            raise Conflict(f"job {job.id} is {job.state}: only a dead job can be purged")
        return lifecycle.remove(job, mark)

    return purge


ACTIONS = {
    "promote": Action("promoted", ("scheduled",), lambda _settings: lifecycle.promote),
    "requeue": Action("requeued", ("dead",), lambda _settings: lifecycle.requeue),
    "cancel": Action("cancelled", ("scheduled", "ready", "running"), _cancel),
    "remove": Action(
        "removed", ("scheduled", "ready", "dead", "cancelled", "succeeded"), lambda _settings: lifecycle.remove
    ),
    "purge": Action("purged", ("dead",), _purge),
}
"""By the last part of their path."""

FOR_ONE = ("promote", "requeue", "cancel")


def edit_action(edit: Edit, settings: Settings) -> Action:
    """An edit as an action. Raises InvalidField for a value no job may have."""
    edits = edit.edits(settings.max_payload)
    states: tuple[State, ...] = ("ready", "scheduled", "dead")
    return Action(
        "edited", states, lambda settings: lambda job, mark: edits.change(job, mark, settings.keeping(job.queue))
    )


def find_action(name: str, target: str) -> Action:
    """The action of that name on a `job` or a `queue`. Raises NotFound."""
    known = FOR_ONE if target == "job" else tuple(ACTIONS)
    if name not in known:
        raise NotFound(f"no such action: {name[:40]}; known: {', '.join(known)}")
    return ACTIONS[name]
