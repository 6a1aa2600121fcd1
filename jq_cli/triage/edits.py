"""What an operator changes in a job: its payload, or values in it, and options. Checked like the job of a producer. Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from jq_cli import lifecycle
from jq_cli.change import Change, Unchanged
from jq_cli.draft import MAX_PAYLOAD, check_payload, make_draft
from jq_cli.errors import InvalidField
from jq_cli.job import Job
from jq_cli.lifecycle import KEEPING, Keeping
from jq_cli.triage.payload_path import Path, changed

_BLANK = Job(id="0" * 26, queue="q", payload=b"{}")


class Edits(msgspec.Struct, frozen=True):
    """New values. `payload` (JSON) takes the place of the old one, `sets` and `unset` change it; `fields` are options of the
    job, `headers` are added to those it has, None takes one away. `limit`: the largest payload allowed, in bytes; `requeue`:
    a dead job becomes ready in the same step."""

    payload: bytes | None = None
    sets: tuple[tuple[Path, bytes], ...] = ()
    unset: tuple[Path, ...] = ()
    fields: Mapping[str, Any] = {}
    headers: Mapping[str, str | None] = {}
    limit: int = MAX_PAYLOAD
    requeue: bool = False

    def __bool__(self) -> bool:
        """Whether it changes anything in a job."""
        return self.payload is not None or bool(self.sets or self.unset or self.fields or self.headers)

    def check(self) -> None:
        """Raises InvalidField for a value that is out of bounds whatever job it is given to."""
        replace(self, sets=(), unset=()).applied(_BLANK)

    def applied(self, job: Job) -> Job:
        """The job with the new values. Raises InvalidField for one out of bounds."""
        headers = {name: text for name, text in {**job.headers, **self.headers}.items() if text is not None}
        new = replace(job, payload=self._payload(job), headers=headers, **self.fields)
        if new.payload != job.payload:
            check_payload(new.payload, self.limit)
        make_draft(new)
        return new

    def change(self, job: Job, mark: str, keeping: Keeping = KEEPING) -> Change:
        """The change that the edit makes of a job. Raises Conflict when the job's state does not allow it, Unchanged when it
        would change nothing, InvalidField for a value out of bounds."""
        lifecycle.edit(job, job, mark, keeping)
        try:
            new = self.applied(job)
        except InvalidField as error:
            raise InvalidField(f"job {job.id}: {error.field}", error.problem) from None
        if new == job and not self.requeue:
            raise Unchanged(f"job {job.id} is unchanged: it has these values already")
        edit = lifecycle.edit(job, new, mark, keeping)
        return replace(lifecycle.requeue(new, mark), payload=edit.payload) if self.requeue else edit

    def _payload(self, job: Job) -> bytes:
        payload = job.payload if self.payload is None else self.payload
        return changed(payload, self.sets, self.unset) if self.sets or self.unset else payload
