"""Cron and changing clocks: a table of expected moments that people have read, and an independent walker that agrees with it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from jq_cli.cron.timetable import Timetable
from tests.cron.walker import MACROS, cases, walk


class Case(NamedTuple):
    zone: str
    cron: str
    after: datetime
    until: datetime
    ticks: list[datetime]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def read_table() -> list[Case]:
    lines = [line for line in (Path(__file__).parent / "golden.txt").read_text().splitlines() if line[:1] != "#"]
    found = []
    for line in lines:
        zone, cron, window, ticks = (part.strip() for part in line.split("|"))
        after, until = map(moment, window.split())
        found.append(Case(zone, cron, after, until, list(map(moment, ticks.split()))))
    return found


TABLE = read_table()


def test_the_table_holds_what_the_walker_lists() -> None:
    assert len(TABLE) >= 72
    assert [case[:4] for case in TABLE] == list(cases())


@pytest.mark.parametrize("zone", sorted({case.zone for case in TABLE}))
def test_schedules_fire_at_the_moments_of_the_table(zone: str) -> None:
    for case in [case for case in TABLE if case.zone == zone]:
        timetable = Timetable(case.cron, zone)
        ticks = list(timetable.ticks(int(case.after.timestamp()), int(case.until.timestamp())))
        assert [datetime.fromtimestamp(tick, UTC) for tick in ticks] == case.ticks, case


@pytest.mark.parametrize("zone", sorted({case.zone for case in TABLE}))
def test_the_walker_agrees_with_the_table(zone: str) -> None:
    for case in [case for case in TABLE if case.zone == zone]:
        assert walk(MACROS.get(case.cron, case.cron), zone, case.after, case.until) == case.ticks, case


# What the documentation promises, in words, so that a table and a walker that were wrong together would be noticed.


def shown(cron: str, zone: str, after: str, count: int) -> list[str]:
    timetable = Timetable(cron, zone)
    ticks = timetable.ticks(int(datetime.fromisoformat(after).timestamp()))
    return [timetable.zone.show(tick) for tick, _ in zip(ticks, range(count), strict=False)]


def test_a_time_in_a_gap_fires_once_at_the_first_moment_after_it() -> None:
    assert shown("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00+01:00", 2) == [
        "2026-03-29T03:00:00+02:00",
        "2026-03-30T02:30:00+02:00",
    ]
    assert shown("*/10 2 * * *", "Europe/Berlin", "2026-03-28T12:00+01:00", 2) == [
        "2026-03-29T03:00:00+02:00",
        "2026-03-30T02:00:00+02:00",
    ]


def test_a_time_that_comes_twice_fires_once_at_the_first() -> None:
    assert shown("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00+02:00", 2) == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-26T02:30:00+01:00",
    ]
    assert shown("30 2 * * *", "Europe/Berlin", "2026-10-25T02:45+02:00", 1) == ["2026-10-26T02:30:00+01:00"]


def test_an_hourly_schedule_fires_each_real_hour() -> None:
    for start, hours in (("2026-03-29T00:00+01:00", 5), ("2026-10-25T00:00+02:00", 5)):
        timetable = Timetable("15 * * * *", "Europe/Berlin")
        after = int(datetime.fromisoformat(start).timestamp())
        ticks = list(timetable.ticks(after, after + hours * 3_600))
        assert [tick - after for tick in ticks] == [900 + 3_600 * n for n in range(hours)]


def test_a_day_that_a_zone_left_out_fires_at_the_start_of_the_next() -> None:
    assert shown("0 12 * * *", "Pacific/Apia", "2011-12-29T00:00-10:00", 3) == [
        "2011-12-29T12:00:00-10:00",
        "2011-12-31T00:00:00+14:00",
        "2011-12-31T12:00:00+14:00",
    ]


def test_midnight_that_does_not_exist_is_one_o_clock() -> None:
    assert shown("@daily", "America/Havana", "2026-03-07T12:00-05:00", 2) == [
        "2026-03-08T01:00:00-04:00",
        "2026-03-09T00:00:00-04:00",
    ]
