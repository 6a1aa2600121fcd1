"""Batches cut to what one script call may handle."""

from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")

STEP = 1_000
"""Changes, leases or ids that one script call handles at most, so that no call holds up the server for long."""


def batched(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    """The items in runs of at most `size`."""
    return [items[at : at + size] for at in range(0, len(items), size)]


def by_queue(queues: Sequence[str], size: int) -> list[tuple[str, list[int]]]:
    """The positions of each queue in a sequence, in runs of at most `size`."""
    positions: dict[str, list[int]] = {}
    for n, queue in enumerate(queues):
        positions.setdefault(queue, []).append(n)
    return [(queue, list(run)) for queue, all_of_it in positions.items() for run in batched(all_of_it, size)]
