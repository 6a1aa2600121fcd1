"""A bench on which a worker is tried: a backend, a traces file, and ways to put jobs in and look at what came out."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from jq_cli.backends.base import Backend
from jq_cli.consumer import Consumer
from jq_cli.draft import encode_payload, make_draft
from jq_cli.handlers.spec import HandlerSpec
from jq_cli.ids import new_id
from jq_cli.job import STATES, Backoff, Job
from jq_cli.pool.options import PoolOptions
from jq_cli.process.environment import handler_environment
from jq_cli.task import SideRecord
from jq_cli.worker.options import WorkerOptions
from jq_cli.worker.part import Part
from jq_cli.worker.worker import Worker

FAST = Backoff(base=0.02, factor=1, jitter=0)


def call(name: str) -> HandlerSpec:
    return HandlerSpec("call", target=f"tests.worker.handlers:{name}")


class Bench:
    def __init__(self, backend: Backend, traces: Path) -> None:
        self.backend = backend
        self.traces_file = traces
        self.said: list[str] = []
        self.trouble: list[BaseException] = []
        self.parts: list[Part] = []
        self.emitter: Any = None
        os.environ["TRACES"] = str(traces)

    def put(self, *payloads: Any, **fields: Any) -> list[str]:
        delay = fields.pop("delay", 0)
        fields = {"queue": "q", "backoff": FAST, **fields}
        drafts = [
            make_draft(Job(id=new_id(), payload=encode_payload(payload), **fields), delay=delay) for payload in payloads
        ]
        self.backend.insert(drafts)
        return [draft.job.id for draft in drafts]

    def worker(self, spec: HandlerSpec, *, lease: int = 10_000, env: tuple[str, ...] = (), **options: Any) -> Worker:
        pool = PoolOptions(**{k: options.pop(k) for k in list(options) if k in PoolOptions.__struct_fields__})
        parts = options.pop("parts", self.parts)
        return Worker(
            Consumer(self.backend, lease=lease),
            {"q": spec},
            WorkerOptions(**{"queues": ("q",), "until_empty": True, "pool": pool, **options}),
            env=handler_environment(os.environ, ("TRACES", *env)),
            say=self.said.append,
            parts=parts,
        )

    def work(self, spec: HandlerSpec, **options: Any) -> int:
        return self.worker(spec, **options).run()

    def job(self, id: str) -> Job:
        job = self.backend.find(id)
        assert job is not None
        return job

    def result(self, id: str) -> Any:
        return msgspec.json.decode(bytes(self.job(id).result))

    def output(self, id: str) -> SideRecord:
        record = self.backend.outputs("q", [id])[0]
        assert record is not None
        return msgspec.json.decode(record, type=SideRecord)

    def states(self) -> dict[str, int]:
        counts = self.backend.counts(["q"])[0].states
        return {state: counts[state] for state in STATES if counts[state]}

    def traces(self) -> list[str]:
        return self.traces_file.read_text().splitlines() if self.traces_file.exists() else []

    def go(self) -> None:
        Path(f"{self.traces_file}.go").touch()


def eventually(check: Callable[[], Any], what: str, seconds: float = 20.0, *, pause: float = 0.01) -> Any:
    """The first true answer; fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (answer := check()):
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(pause)
    return answer


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False
