"""What attaches to a worker's loop gets its turns, and its troubles cost no job."""

import os
import selectors
import signal
from typing import Any

from jq_cli.consumer import read_registration
from jq_cli.errors import BackendUnreachable
from jq_cli.worker.part import Part
from tests.worker.bench import Bench, call


class Diary(Part):
    """Writes down its turns."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.seen: list[str] = []
        self.queues_registered: Any = None
        self.trouble = 2

    def start(self, selector: selectors.BaseSelector) -> None:
        self.reader, writer = os.pipe()
        os.write(writer, b"x")
        os.close(writer)
        self.selector = selector
        selector.register(self.reader, selectors.EVENT_READ, self.hear)
        self.seen.append("start")

    def hear(self) -> None:
        self.selector.unregister(self.reader)
        self.seen.append("heard")

    def patience(self) -> float:
        return 0.01

    def tick(self) -> None:
        self.seen.append("tick")

    def talk(self) -> None:
        if self.trouble:
            self.trouble -= 1
            raise BackendUnreachable("not now")
        self.seen.append("talk")
        [note] = self.bench.backend.read("worker:").values()
        if (registration := read_registration(note)) is not None:
            self.queues_registered = registration.queues

    def registration(self) -> dict[str, object]:
        return {"queues": ("told", "by", "a", "part")}

    def close(self) -> None:
        os.close(self.reader)
        self.seen.append("close")


class Stopper(Part):
    """Ends the worker that it is part of once another part has had its turns."""

    def __init__(self, diary: Diary) -> None:
        self.diary = diary

    def talk(self) -> None:
        if {"heard", "talk", "tick"} <= set(self.diary.seen):
            os.kill(os.getpid(), signal.SIGTERM)


def test_a_part_is_started_ticked_heard_asked_and_closed(bench: Bench) -> None:
    diary = Diary(bench)
    worker = bench.worker(call("double"), until_empty=False, parts=[diary, Stopper(diary)], queues=())
    assert worker.run() == 143
    assert (diary.seen[0], diary.seen[-1], diary.seen.count("heard")) == ("start", "close", 1)
    assert diary.queues_registered == ("told", "by", "a", "part")


def test_a_part_that_gets_no_answer_from_the_store_costs_no_job(bench: Bench) -> None:
    ids = bench.put(*range(50))
    assert bench.worker(call("double"), parts=[Diary(bench)]).run() == 0
    assert {bench.job(id).state for id in ids} == {"succeeded"}
