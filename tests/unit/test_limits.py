"""Limits of queues: an operator's and the configuration's, and which of them holds."""

import pytest

from jq_cli.backends.memory.backend import MemoryBackend
from jq_cli.limits import NOTE, bring_limits, set_limit


@pytest.fixture
def store() -> MemoryBackend:
    return MemoryBackend()


def limit(store: MemoryBackend) -> int:
    return store.counts(["q"])[0].controls.max_running


def started(store: MemoryBackend, configured: int) -> list[str]:
    """What a pool says that starts with a configured limit."""
    return list(bring_limits(store, {"q": configured}))


def test_a_pool_brings_the_limit_of_its_configuration(store: MemoryBackend) -> None:
    assert started(store, 4) == []
    assert limit(store) == 4
    assert started(store, 5) == []
    assert limit(store) == 5
    assert started(store, 0) == []
    assert limit(store) == 0


def test_an_operators_limit_survives_the_next_start(store: MemoryBackend) -> None:
    started(store, 4)
    assert set_limit(store, "q", 1, configured=4).max_running == 1
    for _ in range(2):
        assert started(store, 4) == ["queue q: an operator set its limit to 1; the configured 4 is not applied"]
        assert limit(store) == 1


def test_an_edited_file_says_otherwise(store: MemoryBackend) -> None:
    started(store, 4)
    set_limit(store, "q", 1, configured=4)
    started(store, 6)
    assert limit(store) == 6


def test_an_operator_who_did_not_know_the_configuration_is_heeded_too(store: MemoryBackend) -> None:
    set_limit(store, "q", 0, configured=None)
    assert started(store, 4) == ["queue q: an operator set its limit to none; the configured 4 is not applied"]
    assert limit(store) == 0
    started(store, 5)
    assert limit(store) == 5


def test_an_operator_may_say_what_the_configuration_says(store: MemoryBackend) -> None:
    set_limit(store, "q", 4, configured=4)
    assert started(store, 4) == []
    assert limit(store) == 4


def test_a_setting_leaves_a_pause_alone_and_queues_without_a_limit_too(store: MemoryBackend) -> None:
    from jq_cli.backends.base import Setting

    store.control("q", Setting(paused=True, reason="x"))
    set_limit(store, "q", 2, configured=None)
    assert store.counts(["q"])[0].controls.paused_reason == "x"
    assert list(bring_limits(store, {})) == []
    assert limit(store) == 2


@pytest.mark.parametrize("note", [b"", b"{", b"[]", b'{"configured":"x"}', b"\xff"])
def test_a_note_that_cannot_be_read_counts_as_none(store: MemoryBackend, note: bytes) -> None:
    store.swap(NOTE + "q", None, note)
    started(store, 3)
    assert limit(store) == 3
    set_limit(store, "q", 2, configured=3)
    started(store, 3)
    assert limit(store) == 2
