"""The marks that children leave in shared memory."""

import os
import time

from jq_cli.pool.slots import make_slots


def test_marks_are_seen_by_the_other_process() -> None:
    slots = make_slots(3)
    child = os.fork()
    if child == 0:
        slots[1].begin(7)
        os._exit(0)
    os.waitpid(child, 0)
    assert (slots[1].current, slots[1].finished) == (7, 0)
    assert slots[1].running_for() > 0
    assert slots[0].current == slots[2].current == 0


def test_a_recalled_task_is_not_begun_and_leaves_no_mark() -> None:
    slot = make_slots(1)[0]
    assert slot.begin(1)
    slot.finish(1, time.monotonic_ns())
    slot.recall()
    assert not slot.begin(2)
    assert (slot.current, slot.finished) == (1, 1)
    slot.resume()
    assert slot.begin(2)


def test_a_finished_task_does_not_run() -> None:
    slot = make_slots(1)[0]
    slot.begin(1)
    assert slot.running_for() >= 0
    slot.finish(1, time.monotonic_ns())
    assert slot.running_for() == 0


def test_a_cleared_slot_is_like_new() -> None:
    slot = make_slots(1)[0]
    slot.begin(5)
    slot.recall()
    slot.stop(5)
    slot.clear()
    assert (slot.current, slot.finished, slot.recalled, slot.stopped) == (0, 0, False, 0)
