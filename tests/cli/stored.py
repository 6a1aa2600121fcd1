"""Puts jobs into states that only workers bring about, straight through the seam."""

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from jq_cli.backends.base import Backend
from jq_cli.backends.registry import open_backend
from jq_cli.consumer import Consumer
from jq_cli.draft import make_draft
from jq_cli.ids import new_id
from jq_cli.job import Job
from jq_cli.lifecycle import Outcome
from tests.cli.program import Program


@contextmanager
def store_of(jq: Program) -> Iterator[Backend]:
    """The store that a program uses."""
    url = jq.env["JQ_BACKEND"]
    patience = {"timeout": 60} if url.startswith("redis:") else {}  # a machine that stands still is not what is tested
    with open_backend(url, namespace=jq.env.get("JQ_NAMESPACE", "jq"), **patience) as backend:
        yield backend


def put(jq: Program, queue: str, *payloads: bytes, **fields: object) -> list[str]:
    """Ready jobs with these payloads, whatever they are."""
    jobs = [Job(id=new_id(), queue=queue, payload=payload, **fields) for payload in payloads]  # type: ignore[arg-type]
    with store_of(jq) as backend:
        backend.insert([make_draft(job) for job in jobs])
    return [job.id for job in jobs]


def end(jq: Program, queue: str, count: int, outcome: Outcome) -> list[str]:
    """Claim so many jobs and end them all in one way."""
    with store_of(jq) as backend:
        consumer = Consumer(backend)
        jobs = consumer.claim([queue], count)
        consumer.write([consumer.settle(job, outcome) for job in jobs])
    return [job.id for job in jobs]


def dead(jq: Program, queue: str, count: int = 1, error: str = "it broke", output: bytes | None = None) -> list[str]:
    """Dead jobs with payloads {"n": 0}, {"n": 1} and so on."""
    put(jq, queue, *(b'{"n": %d}' % n for n in range(count)))
    return end(jq, queue, count, Outcome("permanent", error=error, output=output))


def succeeded(jq: Program, queue: str, result: object) -> str:
    """A job that succeeded with a result."""
    put(jq, queue, b"{}")
    [id] = end(jq, queue, 1, Outcome("succeeded", result=msgspec.Raw(msgspec.json.encode(result))))
    return id


def running(jq: Program, queue: str, lease: int = 60_000, register: bool = True) -> tuple[str, str]:
    """A job that a worker of this process runs, and the worker's id."""
    [id] = put(jq, queue, b"{}")
    with store_of(jq) as backend:
        consumer = Consumer(backend, lease=lease)
        if register:
            consumer.register(queues=(queue,), running=1)
        consumer.claim([queue])
    return id, consumer.worker
