"""What an operator changes in a job: its payload, or values in it, and options. Checked like the job of a producer. Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from jq_cli import lifecycle
from jq_cli.change import Change
from jq_cli.draft import MAX_PAYLOAD, check_payload, make_draft
from jq_cli.errors import Conflict
from jq_cli.history import noted
from jq_cli.job import Job
from jq_cli.lifecycle import KEEPING, Keeping
from jq_cli.payload_path import Path, changed


class Unchanged(Conflict):
    """The job is already as the edit would make it."""


class Edits(msgspec.Struct, frozen=True):
    """New values. `payload` (JSON) takes the place of the old one, `sets` and `unset` change it; `fields` are options of the
    job, `headers` are added to those it has, None takes one away."""

    payload: bytes | None = None
    sets: tuple[tuple[Path, bytes], ...] = ()
    unset: tuple[Path, ...] = ()
    fields: Mapping[str, Any] = {}
    headers: Mapping[str, str | None] = {}

    def __bool__(self) -> bool:
        return self.payload is not None or bool(self.sets or self.unset or self.fields or self.headers)

    def applied(self, job: Job, limit: int = MAX_PAYLOAD) -> Job:
        """The job with the new values. Raises InvalidField for one out of bounds; `limit` is that of the payload in bytes."""
        headers = {name: text for name, text in {**job.headers, **self.headers}.items() if text is not None}
        new = replace(job, payload=self._payload(job), headers=headers, **self.fields)
        if new.payload != job.payload:
            check_payload(new.payload, limit)
        make_draft(new)
        return new

    def _payload(self, job: Job) -> bytes:
        payload = job.payload if self.payload is None else self.payload
        return changed(payload, list(self.sets), list(self.unset)) if self.sets or self.unset else payload


class Editing(msgspec.Struct, frozen=True):
    """An edit as an operator ordered it: who and when (ms, the store's clock), the largest payload allowed, and whether a
    dead job becomes ready in the same step."""

    edits: Edits
    by: str
    now: int
    limit: int = MAX_PAYLOAD
    requeue: bool = False
    keeping: Keeping = KEEPING

    def change(self, job: Job, mark: str) -> Change:
        """The change that the edit makes of a job. Raises Conflict when the job's state does not allow it, Unchanged when it
        would change nothing, InvalidField for a value out of bounds."""
        edit = lifecycle.edit(job, job, mark, self.keeping)
        new = self.edits.applied(job, self.limit)
        if new == job and not self.requeue:
            raise Unchanged(f"job {job.id} is unchanged: it has these values already")
        edit = noted(lifecycle.edit(job, new, mark, self.keeping), job, what="edited", by=self.by, now=self.now)
        return self._requeued(job, edit, mark) if self.requeue else edit

    def _requeued(self, job: Job, edit: Change, mark: str) -> Change:
        assert edit.job is not None
        requeued = noted(lifecycle.requeue(edit.job, mark), edit.job, what="requeued", by=self.by, now=self.now)
        return replace(requeued, expect=job.version, payload=edit.payload)
