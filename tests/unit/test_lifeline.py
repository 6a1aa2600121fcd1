"""How long a worker may be without contact, and when it tries again."""

import pytest

from jq_cli.process import lifeline
from jq_cli.process.lifeline import Lifeline


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(lifeline, "boot_time", lambda: now[0])
    return now


def test_contact_lasts_for_seven_tenths_of_the_validity(clock: list[float]) -> None:
    line = Lifeline(10_000)
    clock[0] += 6.9
    assert not line.snapped()
    clock[0] += 0.2
    assert line.snapped()


def test_contact_counts_from_before_the_renewal_was_sent(clock: list[float]) -> None:
    line = Lifeline(10_000)
    sent_at = clock[0] + 3
    clock[0] += 6
    line.renewed(sent_at)
    clock[0] += 3.9
    assert not line.snapped()
    clock[0] += 0.2
    assert line.snapped()


def test_an_answer_that_renews_nothing_does_not_prolong_contact(clock: list[float]) -> None:
    line = Lifeline(10_000)
    clock[0] += 7.1
    line.answered()
    assert line.snapped()


def test_tries_get_rarer_but_never_rarer_than_every_two_seconds(clock: list[float]) -> None:
    line = Lifeline(10_000)
    waits = []
    for _ in range(20):
        line.failed()
        waits.append(line.wait())
        clock[0] += line.wait()
        assert line.may_call()
    assert 0.05 <= waits[0] <= 0.1
    assert 1.0 <= waits[-1] <= 2.0
    line.answered()
    assert not line.broken
