"""Slots of a Redis Cluster: which one a command is for, and which node serves each."""

import random
import time
from binascii import crc_hqx
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar

import hiredis

from jq_cli.backends.redis.connection import Command, Word
from jq_cli.backends.redis.scripts import Call
from jq_cli.sockets import left

SLOTS = 16_384

Place = tuple[str, int]
"""Host and port of a node."""

SlotMap = list[Place | None]
"""The primary of each slot, None where there is none."""

Given = TypeVar("Given")


class NoNode(ConnectionError):
    """No known node of the cluster answers."""


def slot_of(command: Command | Call) -> int:
    """The slot of the first key; the first slot for a command without keys, so that all clients ask one clock what time it is."""
    if isinstance(command, Call):
        return _slot(command.arguments[1])
    return _slot(command[1]) if len(command) > 1 else 0


def _slot(key: Word) -> int:
    data = key if isinstance(key, bytes) else str(key).encode()
    opened = data.find(b"{")
    if opened >= 0 and (closed := data.find(b"}", opened + 1)) > opened + 1:
        data = data[opened + 1 : closed]
    return crc_hqx(data, 0) % SLOTS


def slot_map(answer: Sequence[Any], asked: Place) -> SlotMap:
    """What a node answered to CLUSTER SLOTS. A node without a host is on that of the node that was asked."""
    found: SlotMap = [None] * SLOTS
    for first, last, primary, *_ in answer:
        host = (primary[0] or b"").decode()
        place = (host if host and host != "?" else asked[0], int(primary[1]))
        found[first : last + 1] = [place] * (last + 1 - first)
    return found


def redirection(error: hiredis.ReplyError) -> tuple[int, Place]:
    """Slot and place in `MOVED 3999 host:port` and `ASK 3999 host:port`; the host may be empty: the one that answered."""
    _, slot, place = str(error).split()[:3]
    host, _, port = place.rpartition(":")
    return int(slot), (host, int(port))


def first_answer(places: Collection[Place], deadline: float, ask: Callable[[Place, float], Given]) -> Given:
    """What the first of the nodes gives that answers. They are asked in a random order, so that one that is gone delays few
    calls, and none gets more than its share of the time. Raises what the last one raised when it refused, NoNode otherwise."""
    trouble: Exception | None = None
    for n, place in enumerate(random.sample(list(places), len(places))):
        share = left(deadline) / (len(places) - n + 1)  # one is left for the command itself
        try:
            return ask(place, time.monotonic() + share)
        except (OSError, hiredis.ReplyError) as error:
            trouble = error
    if isinstance(trouble, hiredis.ReplyError):
        raise trouble
    raise NoNode(f"no node of the cluster answers ({trouble})")
