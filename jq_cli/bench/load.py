"""The jobs that are measured: made as a producer makes them, each with a payload of the size asked for."""

from collections.abc import Iterator, Mapping

import msgspec

from jq_cli.backends.base import Backend
from jq_cli.bench.sizes import BULK
from jq_cli.draft import Draft, make_draft
from jq_cli.ids import new_id
from jq_cli.job import Job

LEAST_PAYLOAD = 2
"""Bytes of the shortest payload, an empty text."""


def text(size: int) -> bytes:
    """A payload of so many bytes: a JSON text."""
    return b'"%s"' % (b"x" * (size - LEAST_PAYLOAD))


def filled(fields: Mapping[str, object], size: int) -> bytes:
    """A payload that is an object with some fields, filled up to so many bytes where they leave room."""
    bare = len(msgspec.json.encode({**fields, "x": ""}))
    return msgspec.json.encode({**fields, "x": "x" * max(0, size - bare)})


def draft(queue: str, payload: bytes, *, priority: int = 0, delay: int = 0) -> Draft:
    """A job for a queue."""
    return make_draft(Job(id=new_id(), queue=queue, payload=payload, priority=priority), delay=delay)


def batches(count: int, size: int = BULK) -> Iterator[int]:
    """Sizes of batches that come to a count."""
    for done in range(0, count, size):
        yield min(size, count - done)


def fill(backend: Backend, queue: str, count: int, payload: bytes, *, priority: int = 0, delay: int = 0) -> None:
    """Put so many jobs on a queue."""
    for size in batches(count):
        backend.insert([draft(queue, payload, priority=priority, delay=delay) for _ in range(size)])


def fill_up(backend: Backend, queue: str, count: int, payload: bytes) -> None:
    """See to it that so many jobs of a queue are ready."""
    [counts] = backend.counts([queue])
    fill(backend, queue, count - counts.states["ready"], payload)
