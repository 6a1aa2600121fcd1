"""Reads the cursors of listings, for backends whose cursor is the JSON of the last place. What no listing gave is refused."""

from typing import Annotated

import msgspec

from jq_cli.errors import InvalidField

_Number = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
_PLACE = msgspec.json.Decoder(tuple[_Number, str])
_FIRST, _LAST = (-1, ""), (1 << 62, "")
_READY_PLACE = msgspec.json.Decoder(tuple[_Number, _Number, str])


def read_place(cursor: str) -> tuple[int, str]:
    """The number (a moment, or a score) and the id at which a page ended. Raises InvalidField for anything else."""
    try:
        return _PLACE.decode(cursor)
    except (msgspec.MsgspecError, UnicodeError):
        raise _foreign(cursor) from None


def place_behind(cursor: str | None, *, reverse: bool) -> tuple[int, str]:
    """The number and the id behind which a page begins; without a cursor those before all jobs, or `reverse` behind all."""
    if cursor is None:
        return _LAST if reverse else _FIRST
    return read_place(cursor)


def read_ready_place(cursor: str) -> tuple[int, int, str]:
    """A place among ready jobs where that is `Job.order`. Raises InvalidField for anything else."""
    try:
        return _READY_PLACE.decode(cursor)
    except (msgspec.MsgspecError, UnicodeError):
        raise _foreign(cursor) from None


def _foreign(cursor: str) -> InvalidField:
    return InvalidField("cursor", f"{cursor[:40]!r} does not come from a listing")
