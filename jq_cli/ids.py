"""Job ids: ULIDs that strictly increase within a process (https://github.com/ulid/spec), and random names."""

import os
import time

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [a + b for a in ALPHABET for b in ALPHABET]
_RANDOM_BITS = 80


class UlidMaker:
    """Makes ids: 48 bits of milliseconds and 80 random bits. Within one millisecond, or when the clock goes back, the
    random part counts up, so that ids leave in the order in which they were made. Not for use by several threads."""

    def __init__(self) -> None:
        self._ms = 0
        self._head = ""
        self._random = 0

    def __call__(self) -> str:
        """The next id."""
        ms = time.time_ns() // 1_000_000
        if ms > self._ms:
            self._ms, self._random = ms, int.from_bytes(os.urandom(10)) >> 1
            self._head = _text(ms, 5)
        else:
            self._random += 1
        return self._head + _text(self._random, 8)


def _text(value: int, pairs: int) -> str:
    return "".join([_PAIRS[value >> shift & 1023] for shift in range(10 * (pairs - 1), -1, -10)])


new_id = UlidMaker()


def _after_fork() -> None:
    # A child that continued its parent's count would make the same ids as the parent.
    new_id._ms = 0


os.register_at_fork(after_in_child=_after_fork)


def is_ulid(text: str) -> bool:
    """Whether the text is a ULID in its canonical form: 26 characters, upper case, first one 0 to 7."""
    return len(text) == 26 and text[0] in "01234567" and all(c in ALPHABET for c in text)


def nonce() -> str:
    """48 random bits as text, for tokens, versions and worker names."""
    return os.urandom(6).hex()
