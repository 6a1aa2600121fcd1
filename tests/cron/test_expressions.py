"""Cron expressions: what they admit, what is refused and why; random ones against the walker."""

import os
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jq_cli.cron.expression import Expression
from jq_cli.cron.timetable import Timetable
from jq_cli.cron.zone import Zone
from jq_cli.errors import InvalidField
from tests.cron.walker import walk

SOAK = int(os.environ.get("JQ_SOAK", "0"))
START = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())  # a Thursday


def ticks(cron: str, count: int = 4, zone: str = "UTC", after: int = START - 1) -> list[str]:
    every = Timetable(cron, zone).ticks(after)
    return [f"{datetime.fromtimestamp(tick, UTC):%m-%d %H:%M:%S}" for tick in islice(every, count)]


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("* * * * *", ["01-01 00:00:00", "01-01 00:01:00"]),
        ("*/20 * * * *", ["01-01 00:00:00", "01-01 00:20:00", "01-01 00:40:00", "01-01 01:00:00"]),
        ("5/25 * * * *", ["01-01 00:05:00", "01-01 00:30:00", "01-01 00:55:00", "01-01 01:05:00"]),
        ("10-20/5 0 * * *", ["01-01 00:10:00", "01-01 00:15:00", "01-01 00:20:00", "01-02 00:10:00"]),
        ("1,5,1 3 * * *", ["01-01 03:01:00", "01-01 03:05:00", "01-02 03:01:00"]),
        ("* * * * * *", ["01-01 00:00:00", "01-01 00:00:01", "01-01 00:00:02"]),
        ("*/30 59 23 * * *", ["01-01 23:59:00", "01-01 23:59:30", "01-02 23:59:00"]),
        ("0 0 * * MON", ["01-05 00:00:00", "01-12 00:00:00"]),
        ("0 0 * * 1-5", ["01-01 00:00:00", "01-02 00:00:00", "01-05 00:00:00"]),
        ("0 0 * * sat-sun", ["01-03 00:00:00", "01-04 00:00:00", "01-10 00:00:00"]),
        ("0 0 * * 7", ["01-04 00:00:00", "01-11 00:00:00"]),
        ("0 0 * * 0", ["01-04 00:00:00", "01-11 00:00:00"]),
        ("0 0 * * 5-7", ["01-02 00:00:00", "01-03 00:00:00", "01-04 00:00:00", "01-09 00:00:00"]),
        ("0 0 * * */2", ["01-01 00:00:00", "01-03 00:00:00", "01-04 00:00:00", "01-06 00:00:00"]),
        ("0 0 1 jan,Mar-APR *", ["01-01 00:00:00", "03-01 00:00:00", "04-01 00:00:00", "01-01 00:00:00"]),
        ("0 0 L * *", ["01-31 00:00:00", "02-28 00:00:00", "03-31 00:00:00", "04-30 00:00:00"]),
        ("0 0 L-2,1 * *", ["01-01 00:00:00", "01-29 00:00:00", "02-01 00:00:00", "02-26 00:00:00"]),
        ("0 0 L-30 * *", ["01-01 00:00:00", "03-01 00:00:00", "05-01 00:00:00"]),
        ("0 0 * * TUE#2", ["01-13 00:00:00", "02-10 00:00:00"]),
        ("0 0 ? * 5L", ["01-30 00:00:00", "02-27 00:00:00"]),
        ("0 0 * * MON#5", ["03-30 00:00:00", "06-29 00:00:00"]),
        ("0 0 29 2 *", ["02-29 00:00:00"]),
        ("0 0 13 * FRI", ["01-02 00:00:00", "01-09 00:00:00", "01-13 00:00:00", "01-16 00:00:00"]),
        ("0 0 30 2 MON", ["02-02 00:00:00", "02-09 00:00:00"]),
        ("@hourly", ["01-01 00:00:00", "01-01 01:00:00"]),
        ("@daily", ["01-01 00:00:00", "01-02 00:00:00"]),
        ("@midnight", ["01-01 00:00:00", "01-02 00:00:00"]),
        ("@weekly", ["01-04 00:00:00", "01-11 00:00:00"]),
        ("@Monthly", ["01-01 00:00:00", "02-01 00:00:00"]),
        ("@yearly", ["01-01 00:00:00", "01-01 00:00:00"]),
        ("@annually", ["01-01 00:00:00", "01-01 00:00:00"]),
        ("  0   0  *  *  * ", ["01-01 00:00:00", "01-02 00:00:00"]),
    ],
)
def test_an_expression_fires_when_it_says(cron: str, expected: list[str]) -> None:
    assert ticks(cron, len(expected)) == expected


@pytest.mark.parametrize(
    ("cron", "problem"),
    [
        ("", "empty; expected 5 fields, or 6 with seconds first"),
        ("* * * *", "expected 5 fields, or 6 with seconds first, got 4"),
        ("* * * * * * *", "expected 5 fields, or 6 with seconds first, got 7"),
        ("60 * * * *", "minute: 60 is not in 0..59"),
        ("60 * * * * *", "second: 60 is not in 0..59"),
        ("* 24 * * *", "hour: 24 is not in 0..23"),
        ("* * 0 * *", "day of month: 0 is not in 1..31"),
        ("* * 32 * *", "day of month: 32 is not in 1..31"),
        ("* * * 13 *", "month: 13 is not in 1..12"),
        ("* * * * 8", "day of week: 8 is not in 0..7"),
        ("* * * * FOO", "day of week: expected 0..7 or a name (SUN to SAT), got 'FOO'"),
        ("* * * FEBR *", "month: expected 1..12 or a name (JAN to DEC), got 'FEBR'"),
        ("a * * * *", "minute: expected 0..59, got 'a'"),
        ("-5 * * * *", "minute: expected 0..59, got ''"),
        ("1,,2 * * * *", "minute: expected 0..59, got ''"),
        ("٣ * * * *", "minute: expected 0..59, got '٣'"),
        ("*/0 * * * *", "minute: */0: the step is not in 1..59"),
        ("*/90 * * * *", "minute: */90: the step is not in 1..59"),
        ("*/x * * * *", "minute: expected 0..59, got 'x'"),
        ("* 22-2 * * *", "hour: '22-2' runs backwards; write two ranges, such as 22-23,0-2"),
        ("* * 15W * *", "day of month: '15W': W (the nearest working day) is not supported"),
        ("* * L-31 * *", "day of month: L-31: the number is not in 0..30"),
        ("* * * * MON#6", "day of week: MON#6: the week is not in 1..5"),
        ("* * * * #1", "day of week: expected 0..7 or a name (SUN to SAT), got ''"),
        ("@reboot", "unknown macro '@reboot'; known: @yearly, @annually"),
        ("0 0 30 2 *", "'0 0 30 2 *' never fires"),
        ("0 0 31 4,6,9,11 *", "never fires"),
        ("0 0 L-29 2 *", "never fires"),
        ("0 " * 200, "399 characters are more than the 256 allowed"),
        ("1" * 200 + " * * * *", "minute: expected 0..59, got '11111111111111111111'"),
    ],
)
def test_what_is_wrong_is_named_with_its_field_and_bound(cron: str, problem: str) -> None:
    with pytest.raises(InvalidField) as caught:
        Expression(cron)
    assert problem in str(caught.value)
    assert str(caught.value).startswith("cron: ")


@pytest.mark.parametrize(
    "name", ["Europe/Berln", "europe/berlin", "../../etc/passwd", "/etc/localtime", "America", "", "\0", "CEST9"]
)
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(InvalidField, match="is not an IANA time zone"):
        Zone(name)


@pytest.mark.parametrize("name", ["localtime", "posixrules", "right/UTC"])
def test_zones_that_differ_between_hosts_are_refused(name: str) -> None:
    with pytest.raises(InvalidField, match="differs between hosts"):
        Zone(name)


def test_a_near_zone_is_suggested() -> None:
    with pytest.raises(InvalidField, match="did you mean Europe/Berlin"):
        Zone("Europe/Berln")


def test_the_newest_ticks_are_found_without_walking_through_years() -> None:
    timetable = Timetable("* * * * * *")
    found = timetable.newest(START - 400 * 86_400, START, 1_000)
    assert found == list(range(START - 999, START + 1))
    assert Timetable("0 0 29 2 *").newest(0, START, 3) == [
        int(datetime(year, 2, 29, tzinfo=UTC).timestamp()) for year in (2016, 2020, 2024)
    ]
    assert timetable.newest(START, START, 5) == []


# --- random expressions ---


def parsed(cron: str, zone: str) -> Timetable | None:
    """None for an expression that never fires, the only mistake that the random ones make."""
    try:
        return Timetable(cron, zone)
    except InvalidField as error:
        if "never fires" not in str(error):
            raise
        return None


ZONES = st.sampled_from(
    [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
        "America/Sao_Paulo",
        "Africa/Casablanca",
        "Pacific/Apia",
    ]
)
CHANGES = [
    "2026-03-29T00:00", "2026-10-25T00:00", "2026-03-08T05:00", "2026-11-01T04:00", "2026-10-03T13:00", "2026-04-04T13:00", "2018-11-04T01:00",
    "2018-02-18T00:00", "2026-02-15T00:00", "2026-03-22T00:00", "2011-12-30T08:00", "2028-02-28T20:00", "2026-12-31T20:00",
]  # fmt: skip


def field(low: int, high: int, *more: str) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    pair = st.tuples(number, number).map(sorted)
    part = st.one_of(
        number.map(str),
        pair.map(lambda p: f"{p[0]}-{p[1]}"),
        st.tuples(pair, st.integers(1, 7)).map(lambda t: f"{t[0][0]}-{t[0][1]}/{t[1]}"),
        st.integers(1, high).map(lambda n: f"*/{n}"),
        st.just("*"),
        *[st.just(text) for text in more],
    )
    return st.lists(part, min_size=1, max_size=3).map(",".join)


CRONS = st.tuples(
    field(0, 59), st.one_of(st.just("*"), field(0, 23)), st.one_of(st.just("*"), field(1, 31, "L", "L-2")),
    st.one_of(st.just("*"), field(1, 12)), st.one_of(st.just("*"), field(0, 6, "MON#2", "FRIL", "SUN")),
).map(" ".join)  # fmt: skip


@settings(max_examples=60 + 60 * SOAK, deadline=None, derandomize=not SOAK)
@given(CRONS, ZONES, st.sampled_from(CHANGES), st.integers(0, 600))
def test_random_expressions_fire_as_the_walker_says(cron: str, zone: str, start: str, minutes: int) -> None:
    after = datetime.fromisoformat(start).replace(tzinfo=UTC) + timedelta(minutes=minutes - 300)
    until = after + timedelta(hours=30)
    timetable = parsed(cron, zone)
    if timetable is None:
        assert walk(cron, zone, after, until) == []
        return
    found = list(timetable.ticks(int(after.timestamp()), int(until.timestamp())))
    assert [datetime.fromtimestamp(tick, UTC) for tick in found] == walk(cron, zone, after, until)


@settings(max_examples=200 + 200 * SOAK, deadline=None, derandomize=not SOAK)
@given(CRONS, ZONES, st.integers(0, 2_000_000_000))
def test_the_next_tick_is_later_and_nothing_lies_between(cron: str, zone: str, at: int) -> None:
    timetable = parsed(cron, zone)
    if timetable is None:
        return
    tick = timetable.after(at)
    assert tick is not None
    assert tick > at
    assert timetable.after(tick - 1) == tick
    assert timetable.after((at + tick - 1) // 2) == tick
    assert timetable.newest(at, tick, 5) == [tick]


@settings(max_examples=300 + 300 * SOAK, deadline=None, derandomize=not SOAK)
@given(st.text("0123456789*/-,LW#@ MONFEBanily?", max_size=30))
def test_any_text_is_parsed_or_refused_in_words(text: str) -> None:
    try:
        expression = Expression(text)
    except InvalidField as refused:
        expression, problem = None, str(refused)
    assert problem.startswith("cron: ") if expression is None else expression.at_or_after(0) is not None
