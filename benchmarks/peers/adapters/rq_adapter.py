"""RQ: a pool of workers that run jobs in their own process, which its documentation names as the fast way."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import protocol
import starts


def noop(payload: dict) -> None:
    if starts.started(payload):
        time.sleep(protocol.HOLD_SECONDS)


@contextmanager
def producer() -> Iterator[tuple]:
    from redis import Redis
    from rq import Queue

    options = {"job_timeout": 700, "result_ttl": 0}
    with Redis.from_url(protocol.STORE) as client:
        queue = Queue("bench", connection=client)

        def enqueue_many(count: int) -> None:
            for payloads in protocol.batches(count):
                queue.enqueue_many(
                    [
                        Queue.prepare_data("rq_adapter.noop", (payload,), timeout=700, result_ttl=0)
                        for payload in payloads
                    ]
                )

        yield lambda payload: queue.enqueue("rq_adapter.noop", payload, **options), enqueue_many


def worker(processes: int) -> list[str]:
    pool = [protocol.program("rq"), "worker-pool", "bench", "-n", str(processes), "-u", protocol.STORE, "-q"]
    return [*pool, "-w", "rq.worker.SimpleWorker", "-P", str(protocol.HERE)]


if __name__ == "__main__":
    protocol.main(
        packages=["rq", "redis"],
        producer=producer,
        worker=worker,
        pool=True,
        look=[protocol.program("rq"), "info", "--raw", "--url", protocol.STORE],
    )
