"""A pause beside one that holds already: what is not asked for stays."""

from jq_cli.backends.base import Controls, Setting
from jq_cli.pausing import ENDLESS, pause_setting, pause_words

NOW = 1_000_000
HELD = Controls(paused=True, paused_reason="moving", paused_by="ada@desk", paused_until=NOW + 500, max_running=3)


def setting(held: Controls, reason: str | None = None, pause_for: int | None = None) -> Setting | None:
    return pause_setting(held, NOW, by="bob@sofa", reason=reason, pause_for=pause_for)


def after(held: Controls, reason: str | None = None, pause_for: int | None = None) -> Controls:
    wanted = setting(held, reason, pause_for)
    assert wanted is not None
    return held.changed(wanted, NOW)


def test_a_queue_that_is_not_paused_gets_what_is_asked_for() -> None:
    assert setting(Controls()) == Setting(paused=True, by="bob@sofa")
    assert setting(Controls(), "x", 7) == Setting(paused=True, reason="x", by="bob@sofa", pause_for=7)
    assert setting(Controls(), "x", ENDLESS) == Setting(paused=True, reason="x", by="bob@sofa")


def test_a_pause_that_has_ended_leaves_nothing_behind() -> None:
    assert pause_setting(HELD, NOW + 500, by="bob@sofa", reason=None, pause_for=None) == Setting(
        paused=True, by="bob@sofa"
    )


def test_a_pause_that_holds_stays_as_it_is_when_nothing_is_asked_for() -> None:
    assert setting(HELD) is None
    assert setting(Controls(paused=True)) is None


def test_a_new_reason_keeps_the_end_and_a_new_end_the_reason() -> None:
    told = after(HELD, reason="moved")
    assert (told.paused_reason, told.paused_until, told.paused_by) == ("moved", NOW + 500, "bob@sofa")
    told = after(HELD, pause_for=9_000)
    assert (told.paused_reason, told.paused_until, told.paused_by) == ("moving", NOW + 9_000, "bob@sofa")
    assert told.max_running == 3


def test_reason_and_end_can_be_taken_away() -> None:
    told = after(HELD, reason="", pause_for=ENDLESS)
    assert (told.paused, told.paused_reason, told.paused_until) == (True, "", None)


def test_a_pause_in_words_has_what_there_is() -> None:
    assert pause_words(Controls(paused=True)) == "paused"
    assert pause_words(HELD) == "paused by ada@desk until 1970-01-01T00:16:40.500Z: moving"
    assert pause_words(Controls(paused=True, paused_until=10**18)) == f"paused until {10**18}"
