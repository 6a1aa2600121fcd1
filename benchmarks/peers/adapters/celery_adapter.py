"""Celery: the prefork pool, results off, acknowledged late so that a lost process loses no job, prefetch as it advises for
short tasks."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import protocol
import starts
from celery import Celery

app = Celery("celery_adapter", broker=protocol.STORE)
app.conf.update(
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=128,
    task_default_queue="bench",
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
)


@app.task(name="noop")
def noop(payload: dict) -> None:
    if starts.started(payload):
        time.sleep(protocol.HOLD_SECONDS)


@contextmanager
def producer() -> Iterator[tuple]:
    yield noop.delay, None


def worker(processes: int) -> list[str]:
    options = ["--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "error"]
    return [protocol.program("celery"), "-A", "celery_adapter", "worker", "-c", str(processes), *options]


if __name__ == "__main__":
    look = [protocol.program("celery"), "-A", "celery_adapter", "inspect", "ping", "-t", "0.1"]
    protocol.main(packages=["celery", "kombu", "redis"], producer=producer, worker=worker, pool=True, look=look)
