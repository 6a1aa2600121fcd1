"""Ids strictly increase within a process, whatever its clock does, and differ between processes."""

import os
import threading
import time
from types import SimpleNamespace

import pytest

from jq_cli import ids
from jq_cli.ids import ALPHABET, UlidMaker, is_ulid, new_id


def test_ids_strictly_increase_and_are_ulids() -> None:
    ids = [new_id() for _ in range(20_000)]
    assert ids == sorted(set(ids))
    assert all(map(is_ulid, ids))


def test_ids_begin_with_the_time() -> None:
    before = time.time_ns() // 1_000_000
    head = UlidMaker()()[:10]
    after = time.time_ns() // 1_000_000
    assert before <= sum(ALPHABET.index(c) * 32 ** (9 - i) for i, c in enumerate(head)) <= after


def test_a_clock_that_goes_back_does_not_turn_ids_back(monkeypatch: pytest.MonkeyPatch) -> None:
    make = UlidMaker()
    monkeypatch.setattr(time, "time_ns", lambda: 2_000_000_000)
    first = make()
    monkeypatch.setattr(time, "time_ns", lambda: 1_000_000_000)
    assert make() > first
    assert make()[:10] == first[:10]


def test_the_count_carries_over(monkeypatch: pytest.MonkeyPatch) -> None:
    make = UlidMaker()
    monkeypatch.setattr(time, "time_ns", lambda: 2_000_000_000)
    monkeypatch.setattr(os, "urandom", lambda size: b"\x00" * 6 + b"\x02\x1f\xff\xfe")
    ids = [make() for _ in range(4)]
    assert ids == sorted(set(ids))
    assert [id[-5:] for id in ids] == ["GZZZZ", "H0000", "H0001", "H0002"]


def test_ids_made_together_come_between_those_before_and_after() -> None:
    make = UlidMaker()
    ids = [make(), *make.several(1_000), make(), *make.several(0), *make.several(3), make()]
    assert ids == sorted(set(ids))
    assert all(map(is_ulid, ids))


def test_ids_made_together_carry_over_and_keep_their_order_when_the_clock_goes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make = UlidMaker()
    monkeypatch.setattr(time, "time_ns", lambda: 2_000_000_000)
    monkeypatch.setattr(os, "urandom", lambda size: b"\x00" * 6 + b"\x02\x1f\xff\xfa")
    ids = make.several(2)
    monkeypatch.setattr(time, "time_ns", lambda: 1_000_000_000)
    ids += [*make.several(4), make()]
    assert ids == sorted(set(ids))
    assert [id[-5:] for id in ids] == ["GZZZX", "GZZZY", "H0000", "H0001", "H0002", "H0003", "H0004"]
    assert {id[:10] for id in ids} == {ids[0][:10]}


def test_a_forked_child_makes_ids_of_its_own() -> None:
    ours, theirs = os.pipe()
    mark = new_id()
    if (pid := os.fork()) == 0:
        os.write(theirs, new_id().encode())
        os._exit(0)
    os.waitpid(pid, 0)
    child = os.read(ours, 26).decode()
    assert child != new_id()
    assert child[:10] >= mark[:10]
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize("text", ["", "0" * 25, "0" * 27, "8" + "0" * 25, "I" * 26, "0" * 25 + "u", "0" * 25 + "é"])
def test_what_is_no_ulid_is_told(text: str) -> None:
    assert not is_ulid(text)


def test_threads_that_share_a_maker_get_ids_of_their_own_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    def urandom(count: int) -> bytes:
        time.sleep(0)  # let another thread in, in the middle of making an id
        return os.urandom(count)

    monkeypatch.setattr(ids, "os", SimpleNamespace(urandom=urandom))
    maker = UlidMaker()
    made: list[list[str]] = [[] for _ in range(8)]

    def make(mine: list[str]) -> None:
        for _ in range(300):
            mine.append(maker())
            time.sleep(0.0005)  # into another millisecond, where the random part begins anew

    threads = [threading.Thread(target=make, args=(mine,)) for mine in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len({id for mine in made for id in mine}) == 2_400
    assert all(mine == sorted(mine) for mine in made)
