"""`jq backends`, and `jq backends --check` on every store."""

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.backends.http_faults import Fault, FaultProxy
from tests.cli.program import Program, Result
from tests.moto_server import CREDENTIALS, MotoServer
from tests.servers import free_port

STORES = ["sqlite", "redis", "postgres", "folder", "s3"]


@pytest.fixture
def s3_through(moto_server: MotoServer, bare: Program) -> Iterator[Program]:
    """The program on S3 through a proxy, whose `fault` may be set."""
    with FaultProxy(moto_server.port, lambda _method, _path: None) as proxy:
        bare.env |= CREDENTIALS
        bare.env["JQ_BACKEND"] = f"s3://{moto_server.bucket}/{uuid4().hex}?endpoint={proxy.endpoint}&timeout=10s"
        bare.proxy = proxy  # type: ignore[attr-defined]
        yield bare


def faulty(jq: Program, fault: Fault) -> Result:
    jq.proxy.fault = lambda _method, _path: fault  # type: ignore[attr-defined]
    return jq("backends", "--check", "--json")


def checks(result: Result) -> dict[str, tuple[str, str]]:
    return {record["check"]: (record["status"], record["detail"]) for record in json.loads(result.out)}


@pytest.mark.parametrize("store", STORES)
def test_a_store_that_works_passes_every_check(
    store: str, request: pytest.FixtureRequest, tmp_path: Path, namespace: str
) -> None:
    jq = Program(tmp_path, request.getfixturevalue(f"{store}_url"), namespace)
    jq.env |= CREDENTIALS
    if store == "postgres":
        jq.ok("db", "init")
    jq.ok("enqueue", "q", "1")
    found = checks(jq.ok("backends", "--check", "--json"))
    assert [*found] == ["open", "schema", "read", "write"]
    assert {status for status, _ in found.values()} == {"ok"}
    assert found["read"][1].startswith("1 queue;")
    assert jq.ok("ls-queues", "--jsonl", "--columns", "queue,ready").out == '{"queue":"q","ready":1}\n'


def test_the_memory_store_passes_too(bare: Program) -> None:
    bare.ok("backends", "--check", "--backend", "memory")


def test_a_person_sees_a_line_for_each_check(jq: Program) -> None:
    lines = jq.ok("backends", "--check").lines
    assert [line.split()[:2] for line in lines[1:]] == [[name, "ok"] for name in ("open", "schema", "read", "write")]
    assert lines[-1].endswith("a note was written, could not be written again, and is removed")


def test_a_check_leaves_nothing_behind(jq: Program, folder_url: str) -> None:
    jq.ok("backends", "--check", "--backend", folder_url)
    store = Path(folder_url.removeprefix("file://")) / "jq"
    assert [path.name for path in store.rglob("*") if path.is_file() and path.name not in ("gate", "turn")] == []


def test_tables_that_are_missing_are_a_problem_with_the_way_out(
    tmp_path: Path, postgres_url: str, namespace: str
) -> None:
    result = Program(tmp_path, postgres_url, namespace)("backends", "--check", "--json")
    assert result.code == 9
    status, detail = checks(result)["schema"]
    assert (status, "run `jq db init`" in detail) == ("failed", True)


def test_a_store_that_ignores_if_none_match_is_refused_with_the_fact(s3_through: Program) -> None:
    result = faulty(s3_through, "strip")
    assert result.code == 9
    status, detail = checks(result)["write"]
    assert status == "failed"
    assert "ignores conditional writes (If-None-Match), so two clients could both own a job" in detail


def test_a_store_without_conditional_writes_is_refused(s3_through: Program) -> None:
    s3_through.proxy.fault = lambda method, _path: 501 if method == "PUT" else None  # type: ignore[attr-defined]
    result = s3_through("backends", "--check", "--json")
    assert (result.code, checks(result)["write"][0]) == (9, "failed")


def test_refused_credentials_end_with_their_own_code(s3_through: Program) -> None:
    result = faulty(s3_through, 403)
    assert (result.code, checks(result)["read"][0]) == (6, "failed")


def test_a_store_that_does_not_answer_ends_with_its_own_code(bare: Program) -> None:
    port = free_port()
    result = bare("backends", "--check", "--backend", f"redis://127.0.0.1:{port}/0", "--json")
    assert result.code == 5
    assert f"127.0.0.1:{port}" in json.loads(result.out)[-1]["detail"]
    assert json.loads(result.out)[-1]["store"] == f"redis://127.0.0.1:{port}/0"


def test_a_store_that_is_named_wrongly_is_wrong_usage(bare: Program) -> None:
    result = bare("backends", "--check", "--backend", "file:///x?region=y")
    assert (result.code, result.out) == (2, "")


def test_without_check_nothing_is_opened(bare: Program) -> None:
    records = json.loads(bare.ok("backends", "--json", "--backend", "redis://127.0.0.1:1/0").out)
    assert [record["url"] for record in records if record["in_use"]] == ["redis://127.0.0.1:1/0"]
