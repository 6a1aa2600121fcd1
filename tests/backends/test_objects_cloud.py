"""S3 through a network that breaks: lost answers, busy servers, servers that lie about conditions."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest

from jq_cli.backends.objects.backend import ObjectsBackend, open_objects
from jq_cli.backends.registry import open_backend
from jq_cli.errors import BackendError, BackendUnreachable, InvalidField, NotAuthorised, UsageError
from tests.backends.http_faults import Fault, FaultProxy
from tests.backends.objects_jobs import claim, draft, succeeded
from tests.moto_server import CREDENTIALS, MotoServer

Through = Callable[..., ObjectsBackend]


class Times:
    """Breaks requests of a kind so many times."""

    def __init__(self, fault: Fault, times: int = 1, method: str = "PUT", part: str = "/log/") -> None:
        self.fault, self.left, self.method, self.part = fault, times, method, part

    def __call__(self, method: str, path: str) -> Fault:
        if method != self.method or self.part not in path or not self.left:
            return None
        self.left -= 1
        return self.fault


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def through(moto_server: MotoServer) -> Iterator[Through]:
    """Opens the backend behind a fault, on one prefix for all of a test."""
    prefix, proxies = uuid4().hex, []

    def opened(
        fault: Callable[[str, str], Fault] = lambda _method, _path: None, timeout: str = "20s"
    ) -> ObjectsBackend:
        proxies.append(FaultProxy(moto_server.port, fault))
        url = f"s3://{moto_server.bucket}/{prefix}?endpoint={proxies[-1].endpoint}&timeout={timeout}"
        store = open_objects(url)
        assert isinstance(store, ObjectsBackend)
        return store

    yield opened
    for proxy in proxies:
        proxy.stop()


@contextmanager
def unbroken(through: Through) -> Iterator[ObjectsBackend]:
    with through() as store:
        yield store


def test_a_commit_whose_answer_was_lost_counts_once(through: Through) -> None:
    with through(Times("swallow", 2)) as jq, unbroken(through) as other:
        assert [answer.status for answer in jq.insert([draft(), draft()])] == ["created"] * 2
        (job,) = claim(jq)
        assert jq.replace([succeeded(job)]) == ["applied"]
        assert other.counts()[0].totals == {"enqueued": 2, "succeeded": 1}
        assert len(other._store.listing("log")) == 3


@pytest.mark.parametrize("fault", [503, 500, 409, "drop"])
def test_a_request_that_a_busy_store_refuses_is_sent_again(through: Through, fault: Fault) -> None:
    with through(Times(fault, 3)) as jq:
        assert jq.insert([draft()])[0].status == "created"
    with through(Times(fault, 3, "GET", "")) as jq:
        assert jq.counts()[0].totals == {"enqueued": 1}


def test_a_large_payload_is_read_back_though_answers_are_lost(through: Through) -> None:
    payload = b'"' + b"x" * 300_000 + b'"'
    faults = iter(["swallow", 409, "drop", 503])

    def trouble(method: str, path: str) -> Fault:
        return next(faults, None) if method == "PUT" and "/data/" in path else None

    with through(trouble) as jq:
        jq.insert([draft(payload), draft(payload + b" ")])
    with through(Times("swallow", 2, "GET", "/data/")) as jq:
        assert [job.payload for job in claim(jq, 2)] == [payload, payload + b" "]


def test_a_store_that_ignores_conditions_is_refused(through: Through) -> None:
    with through(lambda _method, _path: "strip") as jq:
        with pytest.raises(BackendError, match="ignores conditional writes"):
            jq.check()
        with pytest.raises(BackendError, match="ignores conditional writes"):
            jq.insert([draft()])
        assert jq._store.listing("") == []


def test_a_store_without_conditions_is_refused_at_once(through: Through) -> None:
    with through(Times(501, 99, "PUT", "")) as jq, pytest.raises(BackendError, match="501"):
        jq.insert([draft()])


def test_refused_credentials_are_told_apart(through: Through) -> None:
    with through(lambda _method, _path: 403) as jq, pytest.raises(NotAuthorised, match="s3://jobs/"):
        jq.counts()


def test_a_store_that_never_answers_is_unreachable_in_time(through: Through) -> None:
    with (
        through(lambda _method, _path: "drop", timeout="500ms") as jq,
        pytest.raises(BackendUnreachable, match="s3://jobs/"),
    ):
        jq.counts()


def test_a_bucket_that_is_not_there_is_named(moto_server: MotoServer) -> None:
    with open_backend(f"s3://missing?endpoint={moto_server.endpoint}") as jq:
        with pytest.raises(BackendError, match="s3://missing"):
            jq.counts()
        with pytest.raises(BackendError, match="s3://missing"):
            jq.insert([draft()])
        with pytest.raises(BackendError) as caught:
            jq.check()
        assert not isinstance(caught.value, BackendUnreachable)


def test_nothing_is_lost_or_done_twice_in_a_storm(through: Through) -> None:
    chance = random.Random(7)

    def storm(method: str, path: str) -> Fault:
        return chance.choice([503, 409, "drop", "swallow"]) if chance.random() < 0.25 else None

    with through(storm) as one, through(storm) as two, unbroken(through) as witness:
        ids = [answer.id for n in range(30) for answer in (one, two)[n % 2].insert([draft()])]
        seen: list[str] = []
        while jobs := [*claim(one, 3, "w1"), *claim(two, 2, "w2")]:
            seen += [job.id for job in jobs]
            verdicts = one.replace([succeeded(job) for job in jobs if job.owner == "w1"])
            verdicts += two.replace([succeeded(job) for job in jobs if job.owner == "w2"])
            assert verdicts == ["applied"] * len(jobs)
        assert sorted(seen) == sorted(ids)
        assert witness.counts()[0].totals == {"enqueued": 30, "succeeded": 30}


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("s3://b?nosuch=1", "unknown option 'nosuch'; known: endpoint, poll, profile, region, timeout"),
        ("gs://b?region=x", "unknown option 'region'"),
        ("s3://", "expected s3://bucket/prefix"),
        ("s3://b c/x", "cannot be the name of a bucket"),
        ("s3://b/../x", "cannot be part of a prefix"),
        ("s3://b?timeout=0s", "expected more than 0 and at most 600 s"),
        ("gs://b?poll=0s", "poll: expected 0.25..60 s, got '0s'"),
        ("s3://b?poll=2m", "poll: expected 0.25..60 s, got '2m'"),
        ("file:///x?poll=5s", "unknown option 'poll'; known: timeout"),
        ("file://", "expected file:///folder"),
        ("file:///x?region=y", "unknown option 'region'; known: timeout"),
        ("az://c?account=a&timeout=1", "needs a unit"),
    ],
)
def test_a_url_that_means_nothing_is_refused_before_anything_is_opened(url: str, error: str) -> None:
    with pytest.raises((UsageError, InvalidField), match=error.replace("?", r"\?").replace("'", ".")):
        open_backend(url)


def test_every_provider_opens_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "a2V5")
    monkeypatch.setenv("GOOGLE_SKIP_SIGNATURE", "true")
    for url in ("s3://bucket/deep/prefix", "gs://bucket/prefix", "az://container/prefix"):
        with open_backend(url) as jq:
            assert jq.url == url
