"""What a program gets for a job it enqueued."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from jq_cli.backends.base import Inserted


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """What became of an enqueued job. As text it is the job's id.

    status   created, or no job was made: duplicate (of the job `id`), replayed (the idempotency key's job `id` has ended, with
             `outcome`), mismatch (only from `enqueue_many`: the idempotency key was used with another payload)
    outcome  of a replayed one: `id`, `state`, and `result` or `reason` and `error`
    """

    id: str
    status: Literal["created", "duplicate", "replayed", "mismatch"]
    outcome: dict[str, Any] | None = None

    @property
    def created(self) -> bool:
        """Whether a job was made."""
        return self.status == "created"

    def __str__(self) -> str:
        return self.id


def receipts_of(answers: Sequence[Inserted]) -> list[Receipt]:
    """The answers of a store as receipts."""
    return [Receipt(answer.id, answer.status) if answer.outcome is None else _replayed(answer) for answer in answers]


def _replayed(answer: Inserted) -> Receipt:
    return Receipt(answer.id, answer.status, msgspec.json.decode(answer.outcome or b"{}", type=dict[str, Any]))
