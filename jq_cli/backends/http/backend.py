"""The HTTP backend: the whole seam over `jq serve`, batch for batch, so that a URL and a token are all it takes to produce jobs
or to work. docs/serve.md is for operators."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from jq_cli.backends.base import (
    Backend,
    Claim,
    Claimed,
    Clock,
    Controls,
    Due,
    Extended,
    Inserted,
    Page,
    QueueCounts,
    Setting,
    Turned,
    Watch,
)  # fmt: skip
from jq_cli.backends.http import wire
from jq_cli.backends.http.address import parse_address
from jq_cli.backends.http.client import HttpClient
from jq_cli.backends.http.wire import Rows, pack_change, pack_draft, unpack, unpack_jobs
from jq_cli.change import Change, Verdict
from jq_cli.draft import Draft
from jq_cli.errors import UsageError
from jq_cli.job import Job, State, Token

STEP = 1_000
STEP_BYTES = 4 * 1024 * 1024
"""Drafts or changes, and about how many bytes of them, that one call carries at most."""

Item = TypeVar("Item", Draft, Change)


class HttpBackend(Backend):
    """One namespace of one server. Only the store behind the server, and its clock, decide anything."""

    def __init__(self, client: HttpClient) -> None:
        self.url = client.address.shown
        self._client = client
        self._hooked = False

    def hooked(self) -> None:
        if not self._hooked:
            self._hooked = True
            self._client.always(wire.HOOKS_HEADER, wire.OWN)

    # --- producers ---

    def insert(self, drafts: Sequence[Draft]) -> list[Inserted]:
        """See Backend. More than 1,000 jobs or 4 MiB are several calls: one that fails may leave those before it stored; sent
        again with the same ids, they are not stored twice."""
        inserted: list[Inserted] = []
        for part in _batches(drafts):
            answers = self._client.call("insert", [pack_draft(draft) for draft in part], list[Inserted])
            inserted += _first_time(answers, part) if self._client.resent else answers
        return inserted

    # --- workers ---

    def claim(self, claim: Claim) -> Claimed:
        rows = self._client.call("claim", claim, Rows, again=False)
        return Claimed(rows.now, unpack_jobs(rows.jobs))

    def extend(self, leases: Sequence[Token], *, lease: int, live: Mapping[str, bytes] | None = None) -> Extended:
        return self._client.call("extend", wire.Lease(list(leases), lease, dict(live or {})), Extended)

    def replace(self, changes: Sequence[Change]) -> list[Verdict]:
        verdicts: list[Verdict] = []
        for part in _batches(changes):
            verdicts += self._client.call("replace", self._rows(part), list[Verdict])
        return verdicts

    def turn(self, changes: Sequence[Change], claim: Claim) -> Turned:
        """See Backend. One call for up to 1,000 changes, 4 MiB of them, and the claim."""
        *early, last = [*_batches(changes)] or [[]]
        verdicts = [verdict for part in early for verdict in self.replace(part)]
        turn = wire.Turn(self._rows(last), claim)
        rows = self._client.call("turn", turn, Rows, again=False)
        return Turned(rows.now, verdicts + rows.verdicts, unpack_jobs(rows.jobs))

    def _rows(self, changes: Sequence[Change]) -> list[wire.ChangeRow]:
        return [pack_change(change, step=not self._hooked) for change in changes]

    # --- readers ---

    def due(self, limit: int) -> Due:
        rows = self._client.call("due", limit, Rows)
        return Due(rows.now, unpack_jobs(rows.jobs))

    def get(self, queue: str, ids: Sequence[str]) -> list[Job | None]:
        rows = self._client.call("get", wire.Named(queue, list(ids)), list[wire.Row | None])
        return [None if row is None else unpack(row) for row in rows]

    def find(self, id: str) -> Job | None:
        row = self._client.call("find", id, wire.Row | None)  # type: ignore[arg-type]  # a union is a type to msgspec
        return None if row is None else unpack(row)

    def page(
        self, queue: str, state: State, *, cursor: str | None = None, limit: int = 100, reverse: bool = False
    ) -> Page:
        rows = self._client.call("page", wire.Listing(queue, state, cursor, limit, reverse), Rows)
        return Page(unpack_jobs(rows.jobs), rows.cursor)

    def outputs(self, queue: str, ids: Sequence[str]) -> list[bytes | None]:
        return self._client.call("outputs", wire.Named(queue, list(ids)), list[bytes | None])

    def held(self, worker: str) -> list[Job]:
        return unpack_jobs(self._client.call("held", worker, list[wire.Row]))

    def queues(self) -> list[str]:
        return self._client.call("queues", None, list[str])

    def counts(self, queues: Sequence[str] | None = None) -> list[QueueCounts]:
        return self._client.call("counts", None if queues is None else list(queues), list[QueueCounts])

    def check(self) -> str:
        return "not tried: that is between the server and its own store"

    # --- controls and notes ---

    def control(self, queue: str, setting: Setting) -> Controls:
        return self._client.call("control", wire.Control(queue, setting), Controls)

    def read(self, prefix: str) -> dict[str, bytes]:
        return self._client.call("read", prefix, dict[str, bytes])

    def swap(self, key: str, old: bytes | None, new: bytes | None) -> bool:
        return self._client.call("swap", wire.Swap(key, old, new), bool, again=False)

    def now(self) -> int:
        return self._client.call("now", None, int)

    def watch(self, topics: Sequence[str]) -> Watch | None:
        from jq_cli.backends.http.watch import HttpWatch

        watch = HttpWatch(self._client, topics)
        if watch.useful:
            return watch
        watch.close()
        return None

    def close(self) -> None:
        self._client.close()


def _first_time(answers: list[Inserted], drafts: list[Draft]) -> list[Inserted]:
    """The answers to drafts sent twice: one whose own id was found had been stored by the first call."""
    pairs = zip(answers, drafts, strict=True)
    return [Inserted("created", a.id) if a.status == "duplicate" and a.id == d.job.id else a for a, d in pairs]


def _batches(items: Sequence[Item]) -> Iterator[list[Item]]:
    """The items in order, in parts that one call carries."""
    part: list[Item] = []
    size = 0
    for item in items:
        if part and (len(part) >= STEP or size + wire.size_of(item) > STEP_BYTES):
            yield part
            part, size = [], 0
        part.append(item)
        size += wire.size_of(item)
    if part:
        yield part


def open_http(url: str, *, namespace: str = "jq", clock: Clock | None = None, **options: Any) -> Backend:
    """The store behind the server at a URL (forms and options: `address`). Nothing is sent before the first call.

    Raises UsageError when the URL or an option cannot be used.
    """
    if clock is not None:
        raise UsageError(f"{url.partition(':')[0]}: the clock is that of the store behind the server")
    return HttpBackend(HttpClient(parse_address(url, options), namespace))
