"""How commands become bytes."""

import pytest

from jq_cli.backends.redis.connection import pack


class Interrupted(int):
    """A number during whose conversion the user presses Ctrl-C."""

    def __repr__(self) -> str:
        raise KeyboardInterrupt

    __str__ = __repr__


def test_words_of_every_kind_are_packed() -> None:
    assert pack(("SET", b"k", 12, 1.5)) == b"*4\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\n12\r\n$3\r\n1.5\r\n"


def test_an_interrupt_while_a_command_is_packed_is_neither_lost_nor_a_crash() -> None:
    with pytest.raises(KeyboardInterrupt):
        pack(("SET", "k", Interrupted(1)))
