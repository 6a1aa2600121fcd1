"""Durations and moments: what people type, and what is printed can be typed again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jq_cli.durations import format_duration, format_moment, parse_duration, parse_moment
from jq_cli.errors import InvalidField

NOW = 1_750_000_000_000


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("0", 0), ("0s", 0), ("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("2h", 7_200_000), ("1d", 86_400_000),
        ("1h30m", 5_400_000), ("1d2h3m4s5ms", 93_784_005), ("1.5s", 1_500), ("0.25h", 900_000), (" 2s ", 2_000),
    ],
)  # fmt: skip
def test_a_duration_is_a_sum_of_numbers_with_units(text: str, ms: int) -> None:
    assert parse_duration(text) == ms


@pytest.mark.parametrize(
    "text", ["", "s", "5 m", "5x", "m5", "1h 30m", "1h30", "-5s", "--5s", "1e3s", "5S", "1,5s", "∞", "5m\n5"]
)
def test_what_is_no_duration_is_refused_by_the_name_of_its_field(text: str) -> None:
    with pytest.raises(InvalidField, match="delay: "):
        parse_duration(text, "delay")


def test_a_number_without_a_unit_is_refused_with_a_hint() -> None:
    with pytest.raises(InvalidField, match="'30' needs a unit, such as 30s"):
        parse_duration("30")


def test_a_negative_number_is_told_so() -> None:
    with pytest.raises(InvalidField, match="must not be negative"):
        parse_duration("-30")


@pytest.mark.parametrize("text", ["9" * 400 + "s", "9" * 30 + "d"])
def test_a_duration_beyond_all_bounds_is_refused(text: str) -> None:
    with pytest.raises(InvalidField, match="too long"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, "0ms"), (999, "999ms"), (1_000, "1s"), (1_500, "1.5s"), (61_000, "1m1s"), (3_600_000, "1h"), (90_061_000, "1d1h"), (-5_000, "-5s")],
)  # fmt: skip
def test_a_duration_is_printed_with_at_most_two_units(ms: int, text: str) -> None:
    assert format_duration(ms) == text


@given(st.integers(0, 10**13))
def test_a_printed_duration_can_be_typed_and_is_close(ms: int) -> None:
    again = parse_duration(format_duration(ms))
    assert abs(again - ms) <= ms // 10  # 10.999 s is printed as 10s
    assert format_duration(again) == format_duration(ms)


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 100))
def test_parts_add_up(hours: int, minutes: int, seconds: int) -> None:
    assert parse_duration(f"{hours}h{minutes}m{seconds}s") == 1_000 * (3_600 * hours + 60 * minutes + seconds)


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("+5m", NOW + 300_000), ("+0", NOW), ("-5m", NOW - 300_000), ("1750000000", NOW), ("1750000000.5", NOW + 500),
        ("2025-06-15T15:06:40Z", NOW), ("2025-06-15T17:06:40+02:00", NOW), ("2025-06-15 15:06:40.250+00:00", NOW + 250),
    ],
)  # fmt: skip
def test_a_moment_is_rfc_3339_or_relative_or_a_unix_time(text: str, ms: int) -> None:
    assert parse_moment(text, NOW) == ms


@pytest.mark.parametrize("text", ["", "tomorrow", "+5", "+", "2025-13-01T00:00:00Z", "12:00", "9" * 400])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(InvalidField, match="at: "):
        parse_moment(text, NOW, "at")


def test_a_local_time_is_refused_because_hosts_disagree_about_it() -> None:
    with pytest.raises(InvalidField, match="no time zone"):
        parse_moment("2025-06-15T15:06:40", NOW)


@given(st.integers(0, 253_402_300_799_999))
def test_a_printed_moment_can_be_typed_to_the_millisecond(ms: int) -> None:
    assert parse_moment(format_moment(ms), NOW) == ms
