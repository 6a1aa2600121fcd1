"""The parts of the DynamoDB backend that need no server: addresses, places, the service's clock."""

import re
from email.utils import formatdate
from itertools import pairwise
from pathlib import Path

import pytest

from jq_cli.backends.dynamodb import clock as clocks
from jq_cli.backends.dynamodb.address import read_address
from jq_cli.backends.dynamodb.clock import ServiceClock
from jq_cli.backends.dynamodb.keys import after, before, place, read_cursor
from jq_cli.backends.dynamodb.schema import definition
from jq_cli.backends.registry import check_options
from jq_cli.errors import InvalidField, UsageError
from jq_cli.ids import new_id
from jq_cli.job import Job


def test_an_address_names_table_region_and_shards() -> None:
    address = read_address("dynamodb://jobs?region=eu-central-1", {"shards": 4})
    assert (address.table, address.region, address.shards) == ("jobs", "eu-central-1", 4)


@pytest.mark.parametrize(
    ("url", "options", "words"),
    [
        ("dynamodb://jo", {}, "3 to 255 of A-Z a-z 0-9 _ . -, got 'dynamodb://jo'"),
        ("dynamodb://a/b", {}, "expected dynamodb://TABLE"),
        ("dynamodb://jobs?reggion=x", {}, "unknown option 'reggion'; known: region, endpoint, shards, timeout, poll"),
        ("dynamodb://jobs", {"shards": 0}, "shards: expected 1..64, got '0'"),
        ("dynamodb://jobs?shards=2.5", {}, "shards: expected 1..64, got '2.5'"),
        ("dynamodb://jobs?timeout=10m1s", {}, "timeout: expected 0.1..600 s, got '10m1s'"),
        ("dynamodb://jobs?timeout=soon", {}, "timeout: "),
        ("dynamodb://jobs?poll=0.2s", {}, "poll: expected 0.25..60 s, got '0.2s'"),
        ("dynamodb://jobs", {"poll": "61s"}, "poll: expected 0.25..60 s, got '61s'"),
    ],
)
def test_a_bad_address_names_the_thing_and_the_bound(url: str, options: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words.replace("?", r"\?").replace(".", r"\.")):
        read_address(url, options)


def test_the_options_of_a_configuration_are_checked_without_a_request() -> None:
    check_options("dynamodb://jobs", {"shards": 2, "region": "eu-central-1"})
    with pytest.raises(UsageError, match="shards: expected"):
        check_options("dynamodb://jobs", {"shards": 65})


def test_places_sort_as_jobs_leave() -> None:
    jobs = [
        Job(id=new_id(), priority=priority, ready_at=ready_at)
        for priority in (-1_000, -1, 0, 5, 1_000)
        for ready_at in (0, 999, 1_750_000_000_000, 9_999_999_999_999)
    ]
    assert sorted(jobs, key=place) == sorted(jobs, key=lambda job: job.order)


def test_a_cursor_is_a_place_in_the_state_it_continues() -> None:
    at = place(Job(id=new_id(), ready_at=7))
    assert read_cursor(at, "ready") == at
    for cursor, state in ((at, "dead"), (at + "x", "ready"), (at + "\n", "ready"), (at[:-1], "ready"), ("", "ready")):
        with pytest.raises(InvalidField, match=r"^cursor: .* does not come from a listing$"):
            read_cursor(cursor, state)


def test_what_follows_a_place_is_after_it_and_what_precedes_it_before() -> None:
    places = sorted(place(Job(id=new_id(), ready_at=7)) for _ in range(50))
    for one, two in pairwise(places):
        assert one < after(one) < two
        assert one <= before(two) < two


def test_the_clock_comes_to_the_service_s_time(monkeypatch: pytest.MonkeyPatch) -> None:
    local, skew = 1_750_000_000_000, 42_345
    clock = ServiceClock()
    for step in range(40):
        now = local + step * 331
        monkeypatch.setattr(clocks, "_local", lambda now=now: now)
        clock.heard(formatdate((now + skew) // 1_000, usegmt=True), now)
    assert abs(clock() - (now + skew)) < 340  # the answers came 331 ms apart


def test_the_clock_starts_anew_when_a_clock_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ServiceClock()
    for local in (1_750_000_000_000, 1_750_009_000_000):
        monkeypatch.setattr(clocks, "_local", lambda local=local: local)
        clock.heard(formatdate(1_750_000_000, usegmt=True), local)
        assert abs(clock() - 1_750_000_000_500) <= 500


def test_the_terraform_in_the_page_makes_the_table_that_db_init_makes() -> None:
    page = (Path(__file__).parents[2] / "docs" / "dynamodb.md").read_text()
    [block] = re.findall(r"```hcl\n(.*?)```", page, re.S)
    [named] = re.findall(r"for_each = \[(.*)\]", block)
    [indexes] = re.findall(r"for_each = \{(.*)\}", block)
    wanted = definition("jobs")
    assert re.findall(r'"(\w+)"', named) == [each["AttributeName"] for each in wanted["AttributeDefinitions"]]
    assert dict(re.findall(r'(\w+) = "(\w+)"', indexes)) == {
        each["IndexName"]: each["Projection"]["ProjectionType"] for each in wanted["LocalSecondaryIndexes"]
    }
    keys = {each["KeyType"]: each["AttributeName"] for each in wanted["KeySchema"]}
    facts = dict(re.findall(r'^  (\w+) += "(\w+)"$', block, re.M))
    assert facts == {
        "name": "jobs",
        "billing_mode": wanted["BillingMode"],
        "hash_key": keys["HASH"],
        "range_key": keys["RANGE"],
    }
