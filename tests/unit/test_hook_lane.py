"""A hook that is slow, fails or hangs loses its own events, counted, and nothing else."""

import threading
from collections.abc import Sequence

from jq_cli.errors import UsageError
from jq_cli.hooks import lane as lanes
from jq_cli.hooks.event import Event
from jq_cli.hooks.lane import Lane
from jq_cli.hooks.spec import HookSpec, Undeliverable
from tests.worker.bench import eventually


def events(*names: str, queue: str = "q") -> list[Event]:
    return [Event(id=name, event=name, queue=queue, job="j", attempt=1) for name in names]


class Fake:
    """Delivers into a list; `trouble` is raised as often as it holds; `gate` holds deliveries back."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.trouble: list[Exception] = []
        self.gate = threading.Event()
        self.gate.set()
        self.closed = False

    def deliver(self, batch: Sequence[Event]) -> None:
        self.gate.wait(30)
        if self.trouble:
            raise self.trouble.pop(0)
        self.got += [event.event for event in batch]

    def close(self) -> None:
        self.closed = True


def lane(fake: Fake, **spec: object) -> Lane:
    return Lane(HookSpec(**{"name": "h", "kind": "fake", **spec}), lambda _spec: fake)  # type: ignore[arg-type]


def test_events_arrive_in_order_and_the_end_waits_for_them() -> None:
    fake = Fake()
    line = lane(fake)
    line.put(events("a", "b"))
    line.put(events("c"))
    line.end()
    line.join(20)
    assert (fake.got, fake.closed) == (["a", "b", "c"], True)
    assert (line.count.sent, line.count.dropped) == (3, 0)


def test_only_the_wanted_events_of_the_wanted_queues_are_delivered() -> None:
    fake = Fake()
    line = lane(fake, events=("dead",), queues=("mail-*",))
    line.put(events("dead", "failed", queue="mail-1") + events("dead", queue="other"))
    line.end()
    line.join(20)
    assert (fake.got, line.count.sent, line.count.skipped) == (["dead"], 1, 2)


def test_what_a_full_buffer_cannot_take_is_dropped_and_counted() -> None:
    fake = Fake()
    fake.gate.clear()
    line = lane(fake, buffer=3)
    line.put(events("a", "b", "c", "d", "e"))
    assert line.count.dropped == 2
    fake.gate.set()
    line.end()
    line.join(20)
    assert fake.got == ["a", "b", "c"]


def test_a_delivery_that_fails_is_tried_again_whole() -> None:
    fake = Fake()
    fake.trouble = [OSError("down"), OSError("still down")]
    line = lane(fake)
    line.put(events("a", "b"))
    eventually(lambda: line.count.sent == 2, "delivered in the end")
    assert (fake.got, line.count.dropped, line.count.error) == (["a", "b"], 0, "OSError: still down")


def test_what_a_hook_refuses_is_dropped_at_once_and_the_next_is_delivered() -> None:
    fake = Fake()
    fake.trouble = [Undeliverable("HTTP 400")]
    line = lane(fake)
    line.put(events("a"))
    eventually(lambda: line.count.dropped == 1, "refused")
    line.put(events("b"))
    eventually(lambda: line.count.sent == 1, "delivered")
    assert fake.got == ["b"]


def test_a_delivery_that_never_succeeds_is_given_up_after_its_time() -> None:
    fake = Fake()
    fake.trouble = [OSError("down")]
    line = lane(fake, retry_for=0.0)
    line.put(events("a"))
    eventually(lambda: line.count.dropped == 1, "given up")


def test_a_hook_that_does_not_exist_drops_everything_and_says_why() -> None:
    def none(spec: HookSpec) -> Fake:
        raise UsageError("no such hook")

    line = Lane(HookSpec("h", "none"), none)
    line.put(events("a", "b"))
    eventually(lambda: line.count.dropped == 2, "dropped")
    assert "no such hook" in line.count.error


def test_at_the_end_a_failing_hook_gets_a_few_more_tries_and_no_more() -> None:
    fake = Fake()
    fake.trouble = [OSError("down") for _ in range(1_000)]
    line = lane(fake)
    line.put(events("a", "b"))
    line.end()
    line.join(60)
    assert (line.count.sent, line.count.dropped, fake.closed) == (0, 2, True)
    assert len(fake.trouble) >= 1_000 - 3 * lanes.LAST_TRIES


def test_at_the_end_a_hook_that_hangs_is_left_behind() -> None:
    fake = Fake()
    fake.gate.clear()
    line = lane(fake)
    line.put(events("a", "b"))
    line.end()
    line.join(0.0)
    assert line.count.dropped == 2
    fake.gate.set()
