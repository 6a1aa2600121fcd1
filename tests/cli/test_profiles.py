"""Profiles on the command line: which store they lead to, and what production asks before."""

import json

import pytest

from tests.cli.program import Program
from tests.cli.stored import dead, put

FILE = """
backends: {live: {url: '%s'}}
profiles:
  prod: {backend: live, production: true}
  stage: {backend: live, namespace: stage}
"""


@pytest.fixture
def shop(jq: Program) -> Program:
    """A program whose configuration has a profile for production and one for staging."""
    (jq.home / "jq.yaml").write_text(FILE % jq.env["JQ_BACKEND"])
    return jq


DESTRUCTIVE = {
    "dlq purge": ["dlq", "purge", "q", "ID"],
    "dlq requeue": ["dlq", "requeue", "q", "ID"],
    "dlq requeue --all": ["dlq", "requeue", "q", "--all"],
    "pause": ["pause", "q"],
    "requeue": ["requeue"],
    "promote": ["promote", "q", "SCHEDULED"],
    "promote --all": ["promote", "q", "--all"],
}


def arranged(jq: Program, command: list[str]) -> list[str]:
    """The command with the ids of jobs that it can be applied to."""
    ids = {"ID": dead(jq, "q")[0], "SCHEDULED": jq.ok("enqueue", "q", "1", "--delay", "1h").out.strip()}
    return [ids.get(word, word) for word in command]


def everything(jq: Program) -> str:
    return jq.ok("ls", "q", "--json").out + jq.ok("ls-queues", "--json", "--columns", "queue,ready,dead,paused").out


@pytest.mark.parametrize("name", DESTRUCTIVE)
def test_production_refuses_without_yes_where_nobody_can_be_asked(shop: Program, name: str) -> None:
    command = arranged(shop, DESTRUCTIVE[name])
    before = everything(shop)
    result = shop(*command, "--profile", "prod")
    assert result.code == 2
    assert "in production (profile prod): there is no terminal to ask on; say --yes" in result.err
    assert everything(shop) == before
    shop.ok(*command, "--profile", "prod", "--yes")
    assert name == "requeue" or everything(shop) != before


@pytest.mark.parametrize("name", DESTRUCTIVE)
@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 1)])
def test_production_asks_a_person(shop: Program, name: str, answer: str, code: int) -> None:
    command = arranged(shop, DESTRUCTIVE[name])
    before = everything(shop)
    result = shop.on_terminal(*command, env={"JQ_PROFILE": "prod"}, answer=answer)
    assert result.code == code
    assert "in production (profile prod)? [y/N]" in result.out
    assert (everything(shop) == before) is (code == 1 or name == "requeue")


def test_elsewhere_nothing_new_is_asked(shop: Program) -> None:
    [first, second] = dead(shop, "q", 2)
    shop.ok("dlq", "purge", "q", first)
    shop.ok("dlq", "purge", "q", second, env={"JQ_PROFILE": "stage", "JQ_NAMESPACE": "jq"})


def test_looking_and_enqueuing_are_never_asked_about(shop: Program) -> None:
    put(shop, "q", b"1")
    for command in (
        ["ls", "q"],
        ["len"],
        ["ls-queues"],
        ["enqueue", "q", "1"],
        ["resume", "q"],
        ["workers"],
        ["dlq", "ls", "q"],
    ):
        shop.ok(*command, "--profile", "prod")


def test_a_dry_run_is_never_asked_about(shop: Program) -> None:
    [id] = dead(shop, "q")
    assert shop.ok("dlq", "purge", "q", id, "--dry-run", "--profile", "prod").out == "1\n"


def test_a_profile_named_on_the_command_line_is_the_one_meant(shop: Program) -> None:
    put(shop, "q", b"1")
    shop.ok("enqueue", "q", "2", "--profile", "stage")
    assert shop.ok("len", "q", "--profile", "stage").out == "1\n"
    assert shop.ok("len", "q").out == "1\n"
    elsewhere = {"JQ_BACKEND": f"sqlite://{shop.home}/other.db"}
    assert shop("len", "q", env=elsewhere).code == 3
    assert shop.ok("len", "q", "--profile", "prod", env=elsewhere).out == "1\n"
    assert shop("len", "q", env=elsewhere | {"JQ_PROFILE": "prod"}).code == 3


def test_config_show_says_what_a_profile_decided(shop: Program) -> None:
    shown = {
        r["key"]: (r["value"], r["source"])
        for r in json.loads(shop.ok("config", "show", "--json", "--profile", "prod").out)
    }
    assert shown["profile"] == ("prod", "--profile")
    assert shown["production"] == (True, "jq.yaml line 4 (profile prod)")
    assert shown["backend"] == ("live", "jq.yaml line 4 (profile prod)")
    assert "profile" not in {r["key"] for r in json.loads(shop.ok("config", "show", "--json").out)}


def test_an_unknown_profile_exits_with_2(shop: Program, bare: Program) -> None:
    result = shop("len", "--profile", "pord")
    assert (result.code, result.out) == (2, "")
    assert "no such profile: 'pord'; known: prod, stage (--profile)" in result.err


def test_names_of_profiles_are_completed(shop: Program) -> None:
    offered = shop.ok("__complete", "len", "--profile", "").lines
    assert [line.split("\t")[0] for line in offered] == ["prod", "stage"]


def test_a_change_of_many_is_noted_in_each_job(shop: Program) -> None:
    ids = dead(shop, "q", 2)
    shop.ok("dlq", "requeue", "q", "--all", "--yes", env={"USER": "ada"})
    for record in json.loads(shop.ok("show", *ids, "--json").out):
        [deed] = record["history"]
        assert (deed["what"], deed["by"].startswith("ada@"), deed["before"]["reason"]) == (
            "requeued",
            True,
            "permanent",
        )
        assert deed["at"] >= record["created_at"]
