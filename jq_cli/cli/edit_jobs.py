"""Edits jobs: many with the values given, or each of a few in the operator's editor."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from jq_cli import lifecycle
from jq_cli.change import Change, Unchanged
from jq_cli.cli.bulk_options import run_action
from jq_cli.cli.bulk_run import Action
from jq_cli.cli.confirm import agreed, confirm_in_production, somebody
from jq_cli.cli.editor import Sheet, editor
from jq_cli.cli.session import Session, say
from jq_cli.cli.targets import Targets, ids_from, split_queue
from jq_cli.client import Client
from jq_cli.errors import Conflict, InvalidField, JqError, NotFound
from jq_cli.history import noted
from jq_cli.ids import nonce
from jq_cli.job import Job, State
from jq_cli.triage.edits import Edits


def edit_with_values(
    session: Session, edits: Edits, states: tuple[State, ...], names: Sequence[str], **scope: Any
) -> None:
    """Make the edits in the jobs that are meant: named ones, or all in these states that the filter means."""

    def make(job: Job, mark: str) -> Change:
        _demand_state(job, states)
        return edits.change(job, mark, session.settings.keeping(job.queue))

    run_action(session, Action(verb="edit", done="edited", states=states, make=make), names, **scope)


def edit_by_hand(
    session: Session, edits: Edits, states: tuple[State, ...], names: Sequence[str], *, yes: bool, verbose: bool
) -> None:
    """Open the payload of each named job in the editor, one after the other, and print how many were changed."""
    queue, ids = split_queue(tuple(names), "edit")
    editor()  # without one there is no use in asking or looking
    confirm_in_production(session, "edit jobs", yes=yes)
    targets, edited = Targets(), 0
    with session.client() as client:
        if queue is not None:
            client.demand(queue)
        for id in ids_from(ids):
            try:
                _Hand(session, client, edits).edit(_located(client, queue, id, states))
                edited += 1
                targets.done += 1
                if verbose:
                    print(id)
            except Unchanged as error:
                say(str(error))
                targets.done += 1
            except JqError as error:
                targets.failed(error)
        say(f"{edited:,} edited (store: {client.backend.url})")
    if not verbose:
        print(edited)
    targets.end()


def _located(client: Client, queue: str | None, id: str, states: tuple[State, ...]) -> Job:
    """The job with this id, in a state in which it may be edited."""
    queues = [queue] if queue is not None else client.places([id])[id]
    if len(queues) > 1:
        raise Conflict(f"{id} is a job of {' and of '.join(queues)}: name the queue before it")
    [job] = client.get(queues[0], [id]) if queues else [None]
    if job is None:
        where = f" on {queue}" if queue is not None else ""
        raise NotFound(f"no such job: {id}{where} (store: {client.backend.url})")
    _demand_state(job, states)
    return job


def _demand_state(job: Job, states: tuple[State, ...]) -> None:
    lifecycle.edit(job, job, "")  # says why a job of another state than these cannot be edited at all
    if job.state not in states:
        raise Conflict(f"job {job.id} is {job.state}, not {' or '.join(states)}")


class _Hand:
    """Edits one job in the editor."""

    def __init__(self, session: Session, client: Client, edits: Edits) -> None:
        self._session, self._client, self._edits = session, client, edits

    def edit(self, job: Job) -> None:
        """Raises Unchanged when the operator changed nothing. Whatever goes wrong, what was typed stays in its file."""
        if self._edits.requeue:
            lifecycle.requeue(job, "")
        sheet = Sheet(job, self._edits.limit)
        try:
            payload = self._typed(sheet)
            if payload is not None:
                self._write(job, replace(self._edits, payload=payload))
        except JqError as error:
            raise sheet.keep(error) from None
        except BaseException:
            say(f"what you typed is in {sheet.path}")
            raise
        sheet.remove()
        if payload is None:
            raise Unchanged(f"job {job.id} is unchanged{', so it was not requeued' if self._edits.requeue else ''}")

    def _typed(self, sheet: Sheet) -> bytes | None:
        while True:
            sheet.edit()
            try:
                return sheet.payload()
            except InvalidField as error:
                if not somebody() or not agreed(f"{error}; edit it again? [Y/n]", default=True):
                    raise

    def _write(self, job: Job, edits: Edits) -> None:
        # What was typed is for the job that was shown: it is written once or not at all.
        change = edits.change(job, nonce(), self._client.settings.keeping(job.queue))
        now = self._client.backend.now()
        [verdict] = self._client.replace([noted(change, job, what="edited", by=self._session.who, now=now)])
        if verdict == "lost":
            raise self._moved(job)

    def _moved(self, job: Job) -> Conflict:
        [now] = self._client.get(job.queue, [job.id])
        if now is None:
            return Conflict(f"job {job.id} was removed meanwhile")
        became = f"it is {now.state} now" if now.state != job.state else "somebody else edited it"
        return Conflict(f"job {job.id} changed meanwhile: {became}")
