"""The HTTP backend when the server, the network or the login fails: lost answers, restarts, frozen servers, wrong tokens."""

import select
import time
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from jq_cli.backends.base import Backend, Claim, Watch
from jq_cli.backends.registry import open_backend
from jq_cli.client import Client
from jq_cli.consumer import Consumer
from jq_cli.draft import Draft, make_draft
from jq_cli.errors import BackendError, BackendUnreachable, NotAuthorised, NotFound, UsageError
from jq_cli.ids import new_id, nonce
from jq_cli.job import Job
from jq_cli.lifecycle import Outcome
from jq_cli.server.access import chosen_token
from tests.backends.redis_proxy import Proxy
from tests.serve_program import ServeProgram
from tests.servers import RedisServer
from tests.serving import Serving

PATIENCE = 20.0
SECRET = "a-secret-of-some-length"


def draft(queue: str = "q", payload: bytes = b"1") -> Draft:
    return make_draft(Job(id=new_id(), queue=queue, payload=payload))


def claim(backend: Backend, limit: int = 1, worker: str = "w") -> list[Job]:
    return backend.claim(Claim(("q",), limit, worker, 60_000, nonce())).jobs


def states(backend: Backend) -> dict[str, int]:
    [counts] = backend.counts(["q"])
    return {state: n for state, n in counts.states.items() if n}


def hinted(watch: Watch, seconds: float = PATIENCE) -> bool:
    return bool(select.select([watch], [], [], seconds)[0])


@pytest.fixture
def proxy(memory_server: Serving) -> Iterator[Proxy]:
    with Proxy(memory_server.place.port) as proxy:
        yield proxy


@pytest.fixture
def backend(proxy: Proxy, namespace: str) -> Iterator[Backend]:
    with open_backend(f"http://127.0.0.1:{proxy.port}", namespace=namespace) as backend:
        yield backend


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServeProgram]:
    """A server with SQLite behind it."""
    with ServeProgram(tmp_path, f"sqlite://{tmp_path}/jq.db", "--access-log", "none") as program:
        yield program


# --- lost answers ---


def test_an_enqueue_whose_answer_was_lost_is_sent_again_and_makes_one_job(proxy: Proxy, backend: Backend) -> None:
    drafts = [draft() for _ in range(5)]
    proxy.lose_next_answer()
    assert [answer.status for answer in backend.insert(drafts)] == ["created"] * 5
    assert (states(backend), proxy.lost) == ({"ready": 5}, 1)


def test_a_claim_whose_answer_was_lost_is_not_sent_again_and_its_jobs_come_back(proxy: Proxy, backend: Backend) -> None:
    backend.insert([draft() for _ in range(4)])
    consumer = Consumer(backend)
    proxy.lose_next_answer()
    with pytest.raises(BackendUnreachable):
        consumer.claim(["q"], 2)
    assert states(backend) == {"ready": 2, "running": 2}
    assert consumer.release_unknown({}) == 2
    assert states(backend) == {"ready": 4}


def test_a_settle_whose_answer_was_lost_is_applied_once(proxy: Proxy, backend: Backend) -> None:
    backend.insert([draft()])
    consumer = Consumer(backend)
    [job] = consumer.claim(["q"])
    change = consumer.settle(job, Outcome("succeeded"))
    proxy.lose_next_answer()
    assert consumer.write([change]) == ["already"]
    assert backend.counts(["q"])[0].totals["succeeded"] == 1


def test_a_settle_within_a_turn_is_known_when_it_is_sent_again(proxy: Proxy, backend: Backend) -> None:
    backend.insert([draft(), draft()])
    consumer = Consumer(backend)
    [job] = consumer.claim(["q"])
    change = consumer.settle(job, Outcome("succeeded"))
    proxy.lose_next_answer()
    with pytest.raises(BackendUnreachable):
        consumer.turn([change], ["q"], 1)
    assert consumer.turn([change], ["q"], 1)[0] == ["already"]
    assert states(backend) == {"running": 1, "succeeded": 1}


def test_a_note_whose_answer_was_lost_is_not_written_twice(proxy: Proxy, backend: Backend) -> None:
    proxy.lose_next_answer()
    with pytest.raises(BackendUnreachable):
        backend.swap("n", None, b"1")
    assert backend.read("n") == {"n": b"1"}


def test_readers_and_heartbeats_survive_a_lost_answer(proxy: Proxy, backend: Backend) -> None:
    backend.insert([draft()])
    consumer = Consumer(backend)
    [job] = consumer.claim(["q"])
    for call in (
        lambda: backend.get("q", [job.id]),
        lambda: consumer.extend([job]),
        lambda: backend.held(consumer.worker),
    ):
        proxy.lose_next_answer()
        assert len(call()) == 1
    assert proxy.lost == 3


def test_a_network_that_loses_every_answer_is_given_up_within_the_deadline(proxy: Proxy, namespace: str) -> None:
    proxy.lose_all_answers()
    with open_backend(f"http://127.0.0.1:{proxy.port}?timeout=0.4", namespace=namespace) as backend:
        for call in (lambda: backend.insert([draft()]), backend.queues, lambda: claim(backend)):
            with pytest.raises(BackendUnreachable):
                call()


# --- the server ends, restarts, freezes ---


def test_nothing_acknowledged_is_lost_when_the_server_is_killed(served: ServeProgram) -> None:
    with open_backend(served.url) as backend:
        backend.insert([draft() for _ in range(100)])
        consumer = Consumer(backend)
        jobs = consumer.claim(["q"], 20)
        changes = [consumer.settle(job, Outcome("succeeded")) for job in jobs]
        assert consumer.write(changes[:10]) == ["applied"] * 10
        served.kill()
        with pytest.raises(BackendUnreachable):
            backend.queues()
        served.start()
        assert states(backend) == {"ready": 80, "running": 10, "succeeded": 10}
        assert consumer.write(changes) == ["already"] * 10 + ["applied"] * 10


def test_a_claim_on_a_connection_that_the_server_closed_meanwhile_is_made_on_another(served: ServeProgram) -> None:
    with open_backend(served.url) as backend:
        backend.insert([draft()])
        assert served.stop() == 143
        served.start()
        assert len(claim(backend)) == 1


def test_a_producer_waits_out_a_restart(served: ServeProgram) -> None:
    with Client(open_backend(served.url), wait=lambda _seconds: served.start()) as client:
        served.kill()
        assert [answer.status for answer in client.enqueue([draft()])] == ["created"]


def test_a_frozen_server_is_unreachable_and_what_it_did_late_is_not_taken_for_the_next_answer(
    served: ServeProgram,
) -> None:
    with open_backend(served.url, timeout=0.4) as backend:
        backend.insert([draft("early")])
        served.pause()
        for call in (backend.queues, lambda: claim(backend)):
            with pytest.raises(BackendUnreachable, match="no answer in time"):
                call()
        served.resume()
        assert backend.read("x") == {}
        assert backend.queues() == ["early"]


def test_a_claim_that_waited_too_long_in_a_frozen_server_leases_nothing(served: ServeProgram) -> None:
    with open_backend(served.url, timeout=0.3) as backend, open_backend(served.url) as other:
        other.insert([draft()])
        served.pause()
        with pytest.raises(BackendUnreachable):
            claim(backend)
        time.sleep(0.3)  # not to wait for something: to let the caller's patience pass
        served.resume()
        assert len(claim(other, worker="other")) == 1


def test_a_server_that_ends_lets_go_of_those_who_wait(served: ServeProgram) -> None:
    with open_backend(served.url) as backend:
        watch = backend.watch(["ready:q"])
        assert watch is not None
        with closing(watch):
            assert served.stop() == 143
            assert hinted(watch)
            with pytest.raises(BackendUnreachable):
                watch.drain()
            served.start()
            watch.drain()
            backend.insert([draft()])
            assert hinted(watch)


def test_a_watch_whose_connection_was_cut_repairs_itself(proxy: Proxy, backend: Backend) -> None:
    watch = backend.watch(["ready:q"])
    assert watch is not None
    with closing(watch):
        descriptor = watch.fileno()
        proxy.lose_next_answer()
        backend.insert([draft()])
        assert hinted(watch)
        watch.drain()
        backend.insert([draft()])
        assert hinted(watch)
        assert watch.fileno() == descriptor


def test_delayed_jobs_and_leases_move_with_a_server_alone(served: ServeProgram) -> None:
    with open_backend(served.url) as backend:
        backend.insert([draft()])
        assert len(backend.claim(Claim(("q",), 1, "gone", 50, nonce())).jobs) == 1
        deadline = time.monotonic() + PATIENCE
        while states(backend) != {"ready": 1} and time.monotonic() < deadline:
            time.sleep(0.05)
        assert backend.counts(["q"])[0].totals["recovered"] == 1


# --- who answers, and whom ---


def test_a_wrong_token_is_refused_and_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with Serving("memory://", tokens=[chosen_token("ci", SECRET)]) as server:
        for token in (None, "wrong-" + SECRET):
            monkeypatch.delenv("JQ_TOKEN", raising=False)
            if token is not None:
                monkeypatch.setenv("JQ_TOKEN", token)
            with open_backend(server.url) as backend, pytest.raises(NotAuthorised) as raised:
                backend.queues()
            assert SECRET not in str(raised.value)


def test_a_token_comes_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "token"
    file.write_text(SECRET + "\n")
    with Serving("memory://", tokens=[chosen_token("ci", SECRET)]) as server:
        with open_backend(server.url, token_file=str(file)) as backend:
            assert backend.queues() == []
        monkeypatch.setenv("JQ_TOKEN_FILE", str(file))
        with open_backend(server.url) as backend:
            assert backend.queues() == []


def test_another_namespace_than_the_servers_is_refused_by_name(served: ServeProgram) -> None:
    with open_backend(served.url, namespace="other") as backend, pytest.raises(NotFound, match="serves jq"):
        backend.queues()


class Other(BaseHTTPRequestHandler):
    """Some web server."""

    def do_POST(self) -> None:
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass


def test_what_is_no_jq_server_is_said_so() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Other)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        with open_backend(url) as backend, pytest.raises(BackendError, match="is this a jq server"):
            backend.queues()
    finally:
        server.shutdown()
        server.server_close()


def test_what_does_not_speak_http_is_said_so(redis_server: RedisServer) -> None:
    with (
        open_backend(f"http://127.0.0.1:{redis_server.port}?timeout=0.4") as backend,
        pytest.raises(BackendUnreachable),
    ):
        backend.queues()


def test_the_store_behind_the_server_failing_is_unreachable_too(tmp_path: Path) -> None:
    with ServeProgram(tmp_path, "redis://user:hidden@127.0.0.1:1/0?timeout=0.2", "--access-log", "none") as program:
        with open_backend(program.url) as backend, pytest.raises(BackendUnreachable) as raised:
            backend.queues()
        assert "hidden" not in str(raised.value)
        assert "hidden" not in program.text()


def test_a_large_batch_travels_in_parts_and_a_claim_gives_what_fits(memory_server: Serving, namespace: str) -> None:
    with open_backend(memory_server.url, namespace=namespace, timeout=30) as backend:
        large = b'"' + b"x" * 1_000_000 + b'"'
        drafts = [draft(payload=large) for _ in range(24)]
        assert [answer.status for answer in backend.insert(drafts)] == ["created"] * 24
        first = claim(backend, 1_000)
        assert [job.payload for job in first] == [large] * len(first)
        ids = [job.id for job in first]
        while more := claim(backend, 1_000):
            ids += [job.id for job in more]
        assert ids == [each.job.id for each in drafts]


@pytest.mark.parametrize("compress", [True, False])
def test_large_bodies_travel_compressed_or_not(memory_server: Serving, namespace: str, compress: bool) -> None:
    with open_backend(memory_server.url, namespace=namespace, compress=compress) as backend:
        payload = b'"' + b"x" * 100_000 + b'"'
        [answer] = backend.insert([draft(payload=payload)])
        assert backend.find(answer.id).payload == payload  # type: ignore[union-attr]


def test_a_clock_cannot_be_sent_over_http(memory_server: Serving) -> None:
    with pytest.raises(UsageError, match="clock"):
        open_backend(memory_server.url, clock=lambda: 0)
