"""The SQLite store alone, one process: life cycles (enqueue, claim, succeed) in batches of so many 200-byte jobs.

`python benchmarks/sqlite_store.py [JOBS [BATCH [FOLDER [full|normal]]]]`; the folder decides which disk is measured.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Raw

from jq_cli import lifecycle
from jq_cli.backends.base import Claim
from jq_cli.backends.sqlite.backend import open_sqlite
from jq_cli.draft import make_draft
from jq_cli.ids import new_id, nonce
from jq_cli.job import Job

PAYLOAD = b'"%s"' % (b"x" * 198)


class Stopwatch:
    """Seconds spent in the store, by call."""

    def __init__(self) -> None:
        self.insert = self.turn = 0.0

    @contextmanager
    def on(self, call: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        setattr(self, call, getattr(self, call) + time.perf_counter() - began)


def measure(jobs: int, batch: int, folder: str | None, synchronous: str) -> Stopwatch:
    """Each turn settles the batch before and claims the next."""
    watch, held = Stopwatch(), []
    with (
        tempfile.TemporaryDirectory(dir=folder) as where,
        open_sqlite(f"sqlite://{Path(where) / 'jq.db'}", synchronous=synchronous) as store,
    ):
        for left in range(jobs, -1, -batch):
            drafts = [make_draft(Job(id=new_id(), queue="q", payload=PAYLOAD)) for _ in range(min(batch, left))]
            if drafts:
                with watch.on("insert"):
                    store.insert(drafts)
            changes = [lifecycle.succeed(job, Raw(b"1")) for job in held]
            with watch.on("turn"):
                held = store.turn(changes, Claim(("q",), batch, "host:1:abcdefabcdef", 10_000, nonce())).jobs
    return watch


if __name__ == "__main__":
    given = sys.argv[1:]
    jobs, batch = int(given[0]) if given else 40_000, int(given[1]) if len(given) > 1 else 100
    watch = measure(jobs, batch, given[2] if len(given) > 2 else None, given[3] if len(given) > 3 else "full")
    both = watch.insert + watch.turn
    print(
        f"{jobs / both:,.0f} life cycles/s: {jobs / watch.insert:,.0f} inserts/s, {jobs / watch.turn:,.0f} turns of a job/s"
    )
