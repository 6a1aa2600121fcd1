"""`jq work --serve`: a worker that serves its store beside its work."""

import json
import re
import signal
from pathlib import Path

import pytest
import trustme

from tests.cli.program import Program, until
from tests.cli.worker_program import WorkerProgram
from tests.metrics.scrape import plain
from tests.server.asking import ask

SECRET = "a-secret-of-some-length"


def serving(jq: Program, *args: str) -> WorkerProgram:
    """A worker that serves, on a free port."""
    return WorkerProgram(jq, "--serve", "127.0.0.1:0", *args, where=r" on (\S+://\S+) \(")


@pytest.fixture(params=["memory", "sqlite", "redis"])
def jq(request: pytest.FixtureRequest, tmp_path: Path, namespace: str) -> Program:
    """The program of the worker, on each store."""
    home = tmp_path / "worker"
    home.mkdir()
    url = "memory" if request.param == "memory" else request.getfixturevalue(f"{request.param}_url")
    return Program(home, url, namespace)


@pytest.fixture
def client(tmp_path: Path, namespace: str) -> Program:
    """A program that knows no more than what it is told on the command line."""
    return Program(tmp_path, None, namespace)


def test_jobs_that_come_over_http_are_run_and_seen_by_all(jq: Program, client: Program) -> None:
    with serving(jq, "q", "-p", "2", "--shell", "cat") as worker:
        client.env["JQ_BACKEND"] = worker.url
        lines = "".join(f'{{"payload": {number}}}\n' for number in range(30))
        client.ok("enqueue", "q", "--from", "-", input=lines)
        until(lambda: client.ok("len", "q", "--state", "succeeded").out == "30\n", "they run")
        id = client.ok("enqueue", "q", '{"n": 1}').out.strip()
        assert client("wait", "q", id, "--wait-timeout", "20s").code == 0
        assert len(json.loads(client.ok("workers", "--json").out)) == 1
        seen = plain(ask(worker.url, "GET", "/metrics").body)
        assert seen("jq_job_run_seconds_count", queue="q") == 31
        assert worker.stop() == 143
        assert "Traceback" not in worker.said()
        assert client("len", "q").code == 5


def test_schedules_fire_as_in_any_worker(on_memory: Program, client: Program) -> None:
    with serving(on_memory, "q", "--shell", "true") as worker:
        client.env["JQ_BACKEND"] = worker.url
        client.ok("cron", "add", "s", "* * * * * *", "q", "{}")
        until(lambda: client("len", "q", "--state", "succeeded").out not in ("", "0\n"), "a tick has run")


def test_the_server_dies_with_a_worker_that_is_killed(on_memory: Program, client: Program) -> None:
    with serving(on_memory, "q", "--shell", "true") as worker:
        worker.process.kill()
        worker.process.wait()
        assert client("len", "q", "--backend", worker.url).code == 5


def test_a_job_that_runs_at_the_end_is_finished_and_clients_are_answered_meanwhile(
    jq: Program, client: Program
) -> None:
    gate = client.home / "gate"
    with serving(jq, "q", "--shell", f"until test -e {gate}; do sleep 0.05; done") as worker:
        client.env["JQ_BACKEND"] = worker.url
        client.ok("enqueue", "q", "1")
        until(lambda: client.ok("len", "q", "--state", "running").out == "1\n", "it runs")
        worker.process.send_signal(signal.SIGTERM)
        until(lambda: "stopping" in worker.said(), "it heard")
        assert client.ok("len", "q", "--state", "running").out == "1\n"
        gate.touch()
        assert worker.process.wait(30) == 143


@pytest.fixture
def on_memory(tmp_path: Path, namespace: str) -> Program:
    return Program(tmp_path, "memory", namespace)


def test_a_worker_that_ends_by_itself_ends_its_server(on_memory: Program) -> None:
    socket = on_memory.home / "s"
    result = on_memory.ok(
        "work", "q", "--serve", f"unix:{socket}", "--from", "-", "--until-empty", "--", "cat", input='{"payload": 1}\n'
    )
    assert "serving memory" in result.err
    assert not socket.exists()
    assert on_memory("work", "q", "--serve", f"unix:{socket}", "--from", "-", "--", "cat", input="?").code == 2
    assert not socket.exists()


def test_tokens_of_the_environment_count(on_memory: Program, client: Program) -> None:
    on_memory.env["ADMIN_TOKEN"] = SECRET
    with serving(on_memory, "q", "--shell", "true") as worker:
        assert client("len", "q", "--backend", worker.url).code == 6
        assert ask(worker.url, "GET", "/metrics").status == 401
        assert client("len", "q", "--backend", worker.url, env={"JQ_TOKEN": SECRET}).code in (0, 3)
        assert SECRET not in worker.said()


def test_it_speaks_tls_asks_for_certificates_and_writes_an_access_log(on_memory: Program, client: Program) -> None:
    authority = trustme.CA()
    files = {name: str(on_memory.home / name) for name in ("ca.pem", "server.pem", "server.key", "client.pem")}
    authority.cert_pem.write_to_path(files["ca.pem"])
    server, known = authority.issue_cert("127.0.0.1"), authority.issue_cert("worker@example.org")
    server.cert_chain_pems[0].write_to_path(files["server.pem"])
    server.private_key_pem.write_to_path(files["server.key"])
    known.private_key_and_cert_chain_pem.write_to_path(files["client.pem"])
    log = on_memory.home / "access.log"
    tls = ("--tls-cert", files["server.pem"], "--tls-key", files["server.key"], "--client-ca", files["ca.pem"])
    with serving(on_memory, "q", "--shell", "true", *tls, "--access-log", str(log)) as worker:
        assert worker.url.startswith("https://")
        at = f"{worker.url}?ssl_ca_certs={files['ca.pem']}"
        assert client("enqueue", "q", "1", "--backend", at).code != 0
        own = f"&ssl_certfile={files['client.pem']}&ssl_keyfile={files['client.pem']}"
        client.ok("enqueue", "q", "1", "--backend", at + own)
        line = until(lambda: log.exists() and log.read_text(), "it is logged").splitlines()[0]
        assert (json.loads(line)["path"], json.loads(line)["status"]) == ("/v1/store/insert", 200)


def test_it_is_known_by_the_names_it_was_given(on_memory: Program) -> None:
    with serving(
        on_memory, "q", "--shell", "true", "--allow-host", "jq.example.org", "--allow-host", "other"
    ) as worker:
        asked = [
            ask(worker.url, "GET", "/v1/queues", Host=name).status for name in ("jq.example.org", "other", "third")
        ]
        assert asked == [200, 200, 421]


@pytest.mark.parametrize(("option", "value"), [("--tls-cert", "x.pem"), ("--allow-host", "jq.example.org")])
def test_options_of_a_server_go_with_a_server(on_memory: Program, option: str, value: str) -> None:
    result = on_memory("work", "q", "--shell", "true", option, value)
    assert (result.code, f"{option} goes with --serve" in result.err) == (2, True)


@pytest.mark.parametrize(
    ("listen", "problem"),
    [("0.0.0.0:0", "others reach this address"), ("somewhere", "expected HOST:PORT"), ("unix:relative", "unix:/path")],
)
def test_the_same_rules_hold_as_for_a_server_of_its_own(on_memory: Program, listen: str, problem: str) -> None:
    result = on_memory("work", "q", "--serve", listen, "--shell", "true")
    assert (result.code, problem in result.err, "Traceback" in result.err) == (2, True, False), result


def test_metrics_may_have_a_port_beside_it(on_memory: Program) -> None:
    with serving(on_memory, "q", "--metrics-port", "0", "--shell", "true") as worker:
        found = until(lambda: re.search(r"metrics on (http://\S+)/metrics", worker.said()), "it says where")
        assert plain(ask(found[1], "GET", "/metrics").body)("jq_workers") == 1
        assert plain(ask(worker.url, "GET", "/metrics").body)("jq_workers") == 1


def test_a_missing_extra_says_how_to_install_it(on_memory: Program, tmp_path: Path) -> None:
    (tmp_path / "uvicorn.py").write_text("raise ModuleNotFoundError(\"No module named 'uvicorn'\", name='uvicorn')\n")
    result = on_memory("work", "q", "--serve", "0", "--shell", "true", env={"PYTHONPATH": str(tmp_path)})
    assert (result.code, "pip install 'jq-cli[server]'" in result.err) == (2, True)
