"""beanstalkd: two loops of reserve and delete with greenstalk."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import greenstalk
import protocol
import starts


def _client() -> greenstalk.Client:
    host, _, port = protocol.STORE.partition("://")[2].partition(":")
    return greenstalk.Client((host, int(port)), use="bench", watch="bench")


@contextmanager
def producer() -> Iterator[tuple]:
    client = _client()
    yield lambda payload: client.put(json.dumps(payload)), None


def worker(processes: int) -> None:
    client = _client()
    while True:
        job = client.reserve()
        if starts.started(json.loads(job.body)):
            time.sleep(protocol.HOLD_SECONDS)
        client.delete(job)


if __name__ == "__main__":
    protocol.main(packages=["greenstalk"], producer=producer, worker=worker, pool=False)
