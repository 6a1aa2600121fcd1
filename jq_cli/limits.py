"""How many jobs of a queue may run at once: set by an operator, or by the configuration where that says something new.

A store keeps one limit for each queue. A worker pool that starts brings the one its configuration names; were it simply
written, every restart would undo what an operator set at night. So a note beside it holds what the configuration said when it
was last asked, and a pool writes only what differs from that: an operator's limit stays until somebody says otherwise, an
operator or the author of the file.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from jq_cli.backends.base import Backend, Controls, QueueCounts, Setting
from jq_cli.config.settings import Settings

NOTE = "limit:"


class Asked(msgspec.Struct, omit_defaults=True):
    """What the configuration said about a queue's limit when it was last asked; None: it was not known."""

    configured: int | None = None


def set_limit(backend: Backend, queue: str, limit: int, configured: int | None) -> Controls:
    """An operator's wish: at most so many jobs of the queue run at once, 0 for no limit."""
    controls = backend.control(queue, Setting(max_running=limit))
    note = backend.read(NOTE + queue).get(NOTE + queue)
    _keep(backend, queue, note, configured)
    return controls


def bring_limits(backend: Backend, limits: Mapping[str, int]) -> Iterator[str]:
    """What a starting pool does with the limits of its configuration; gives a message for each that it does not apply."""
    notes = backend.read(NOTE) if limits else {}
    for queue, limit in limits.items():
        note = notes.get(NOTE + queue)
        if _is_news(note, limit):
            backend.control(queue, Setting(max_running=limit))
        elif (held := backend.counts([queue])[0].controls.max_running) != limit:
            yield f"queue {queue}: an operator set its limit to {held or 'none'}; the configured {limit or 'none'} is not applied"
        _keep(backend, queue, note, limit)


def pending_limits(backend: Backend, settings: Settings, queues: Sequence[QueueCounts]) -> dict[str, int]:
    """The limits that the configuration names and the store does not know of yet: the next pool that starts brings them."""
    named = {each.queue: limit for each in queues if (limit := settings.queue(each.queue).max_running) is not None}
    notes = backend.read(NOTE) if named else {}
    held = {each.queue: each.controls.max_running for each in queues}
    return {
        queue: limit
        for queue, limit in named.items()
        if limit != held[queue] and _is_news(notes.get(NOTE + queue), limit)
    }


def _is_news(note: bytes | None, limit: int) -> bool:
    """Whether the configuration says another limit than when it was last asked."""
    asked = None if note is None else _asked(note)
    return asked is None or asked.configured not in (None, limit)


def _keep(backend: Backend, queue: str, note: bytes | None, configured: int | None) -> None:
    new = msgspec.json.encode(Asked(configured))
    if new != note:
        # Whoever wrote it meanwhile was asked at the same time; either answer will do.
        backend.swap(NOTE + queue, note, new)


def _asked(note: bytes) -> Asked | None:
    try:
        return msgspec.json.decode(note, type=Asked)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
