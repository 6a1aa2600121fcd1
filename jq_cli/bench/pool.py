"""Measures of the forked pool: how fast it drains a queue, how soon an idle one starts a job, how soon the job of a killed child
runs again. It is the worker of `jq work`, in this process, with a part that measures."""

import os
import time

import msgspec

from jq_cli.backends.base import Backend
from jq_cli.bench.drain import Drain
from jq_cli.bench.meter import Meter
from jq_cli.bench.probes import Probes
from jq_cli.bench.sample import Sample
from jq_cli.cli.interrupts import Interrupted
from jq_cli.consumer import Consumer
from jq_cli.errors import JqError
from jq_cli.handlers.spec import HandlerSpec
from jq_cli.pool.options import PoolOptions
from jq_cli.process.environment import handler_environment
from jq_cli.worker.options import WorkerOptions
from jq_cli.worker.worker import Worker


def drain(backend: Backend, queue: str, handler: str, processes: int, watch: Drain) -> Sample:
    """Have a pool run jobs that are ready."""
    _run(backend, queue, handler, processes, watch)
    return Sample(watch.done, watch.seconds, [])


def probe(backend: Backend, queue: str, handler: str, processes: int, probes: Probes) -> Sample:
    """Have an idle pool run jobs one after the other, each of which tells the nanoseconds that it measured. The first one does
    not count: it waits for the children to start."""
    began = time.monotonic()
    _run(backend, queue, handler, processes, probes)
    jobs = backend.get(queue, probes.ids[1:])
    times = [msgspec.json.decode(bytes(job.result), type=int) / 1e9 for job in jobs if job and job.state == "succeeded"]
    return Sample(len(times), time.monotonic() - began, times)


def _run(backend: Backend, queue: str, handler: str, processes: int, part: Meter) -> None:
    said: list[str] = []
    worker = Worker(
        Consumer(backend),
        {queue: HandlerSpec("call", target=f"jq_cli.bench.handlers:{handler}")},
        WorkerOptions(queues=(queue,), pool=PoolOptions(processes=processes)),
        env=handler_environment(os.environ),
        say=said.append,
        parts=[part],
    )
    part.tally = lambda: worker.tally
    code = worker.run()
    if not part.over:
        raise Interrupted(code - 128)
    if part.trouble is not None:
        raise part.trouble
    if worker.tally.failed or worker.tally.dead:
        raise JqError(f"the pool ran jobs that failed: {'; '.join(said)[:500]}")
