"""Job ids: ULIDs that strictly increase within a process (https://github.com/ulid/spec), and random names."""

import os
import re
import time
from _thread import allocate_lock

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [a + b for a in ALPHABET for b in ALPHABET]
_LOW = (1 << 20) - 1
_ULID = re.compile(f"[0-7][{ALPHABET}]{{25}}")


class UlidMaker:
    """Makes ids: 48 bits of milliseconds and 80 random bits. Within one millisecond, or when the clock goes back, the
    random part counts up, so that ids leave in the order in which they were made. Threads may share a maker."""

    def __init__(self) -> None:
        self._ms = 0
        self._head = ""
        self._high = self._low = 0
        self._lock = allocate_lock()

    def __call__(self) -> str:
        """The next id."""
        with self._lock:
            ms = time.time_ns() // 1_000_000
            if ms > self._ms:
                self._begin(ms, int.from_bytes(os.urandom(10)) >> 1)
            elif self._low < _LOW:
                self._low += 1
            else:
                self._begin(self._ms, (self._high + 1) << 20)
            # Within a millisecond only the last four characters change, so that ids cost little in long runs.
            return self._head + _PAIRS[self._low >> 10] + _PAIRS[self._low & 1023]

    def several(self, count: int) -> list[str]:
        """The next ids, at most a million, as if made at one moment: a sixth of the cost of as many calls."""
        if not count:
            return []
        with self._lock:
            ms = time.time_ns() // 1_000_000
            if ms > self._ms:
                self._begin(ms, int.from_bytes(os.urandom(10)) >> 1)
            else:
                self._low += 1
            if self._low + count > _LOW:
                self._begin(self._ms, (self._high + 1) << 20)
            head, first = self._head, self._low
            self._low += count - 1
        return [head + _PAIRS[n >> 10] + _PAIRS[n & 1023] for n in range(first, first + count)]

    def forked(self) -> None:
        """What a forked process does first: going on from its parent's count it would make the parent's ids again, and another
        thread of the parent may have held the lock."""
        self._ms = 0
        self._lock = allocate_lock()

    def _begin(self, ms: int, random: int) -> None:
        self._ms, self._high, self._low = ms, random >> 20, random & _LOW
        self._head = _text(ms, 5) + _text(self._high, 6)


def _text(value: int, pairs: int) -> str:
    return "".join([_PAIRS[value >> shift & 1023] for shift in range(10 * (pairs - 1), -1, -10)])


new_id = UlidMaker()


os.register_at_fork(after_in_child=new_id.forked)


def is_ulid(text: str) -> bool:
    """Whether the text is a ULID in its canonical form: 26 characters, upper case, first one 0 to 7."""
    return _ULID.fullmatch(text) is not None


def nonce() -> str:
    """48 random bits as text, for tokens, versions and worker names."""
    return os.urandom(6).hex()


def ulid_of(ms: int, rest: int) -> str:
    """The ULID of a moment (ms since the epoch) and 80 bits that its maker chose."""
    return _text(ms & (1 << 50) - 1, 5) + _text(rest, 8)
