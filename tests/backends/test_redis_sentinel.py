"""Redis behind sentinels: the primary is found, and found again after a failover."""

import select
from collections.abc import Iterator
from contextlib import closing

import pytest

from jq_cli.errors import BackendError, BackendUnreachable, NotAuthorised, UsageError
from jq_cli.job import lease_of
from tests.backends.redis_jobs import add, draft, eventually, opened, settle, states, take
from tests.backends.redis_proxy import Proxy
from tests.sentinel_service import LOGIN, SentinelService


@pytest.fixture(scope="module")
def service() -> Iterator[SentinelService]:
    with SentinelService() as service:
        yield service


@pytest.fixture
def own_service() -> Iterator[SentinelService]:
    """For one test alone, which may kill parts of it."""
    with SentinelService() as service:
        yield service


def test_the_primary_is_found_and_holds_the_jobs(service: SentinelService, namespace: str) -> None:
    with opened(service.url, namespace) as backend:
        add(backend, 3)
        assert len(take(backend, 2)) == 2
        assert service.primary.command("HLEN", f"{namespace}:{{q}}:jobs", auth=LOGIN) == 3


def test_another_database_of_the_service(service: SentinelService, namespace: str) -> None:
    with (
        opened(service.url.replace("/jobs?", "/jobs/2?"), namespace) as elsewhere,
        opened(service.url, namespace) as backend,
    ):
        add(elsewhere)
        assert (backend.queues(), elsewhere.queues()) == ([], ["q"])


def test_jobs_and_leases_outlive_a_failover_and_hints_come_from_the_new_primary(own_service: SentinelService) -> None:
    with opened(own_service.url) as backend, closing(backend.watch(["ready:q"])) as watch:
        add(backend, 2)
        (job,) = take(backend)
        own_service.primary.command("WAIT", 1, 10_000, auth=LOGIN)
        own_service.fail_over()
        assert backend.extend([lease_of(job)], lease=60_000).holds == ["held"]
        assert settle(backend, job) == ["applied"]
        assert states(backend) == {"ready": 1, "succeeded": 1}

        def hinted() -> bool:
            watch.drain()
            add(backend)
            return bool(select.select([watch], [], [], 1)[0])

        eventually(hinted)


def test_a_call_waits_for_the_sentinels_when_the_primary_is_killed(own_service: SentinelService) -> None:
    with opened(own_service.url) as backend:
        add(backend)
        own_service.primary.command("WAIT", 1, 10_000, auth=LOGIN)
        killed = own_service.kill_primary()
        add(backend)
        assert states(backend) == {"ready": 2}
        eventually(lambda: own_service.primary is not killed)  # the sentinels tell each other


def test_a_sentinel_that_hangs_and_one_that_is_gone_are_passed_over(own_service: SentinelService) -> None:
    own_service.freeze_sentinel()
    gone = own_service.url.replace("@", "@127.0.0.1:1,", 1).replace("timeout=60", "timeout=10")
    for _ in range(4):  # they are asked in a random order
        with opened(gone) as backend:
            assert backend.queues() == []


def test_a_replica_is_not_taken_for_the_primary(service: SentinelService) -> None:
    replica = next(server for server in service.servers if server is not service.primary)
    hello = b"%1\r\n$4\r\nrole\r\n$8\r\nsentinel\r\n"
    named = b"*2\r\n$9\r\n127.0.0.1\r\n$%d\r\n%d\r\n" % (len(str(replica.port)), replica.port)
    with Proxy(service.primary.port, says=hello + named) as liar:
        url = service.url.partition("@")[0] + f"@127.0.0.1:{liar.port}/jobs?timeout=3"
        with opened(url) as backend, pytest.raises(BackendUnreachable, match=r"no primary of 'jobs': .* is a replica"):
            backend.queues()


def test_what_is_wrong_with_the_sentinels_is_said(service: SentinelService) -> None:
    unknown = service.url.replace("/jobs?", "/jbos?")
    with opened(unknown) as backend, pytest.raises(BackendError, match="no sentinel knows a service 'jbos'"):
        backend.queues()
    wrong = service.url.replace("sentinel_password=of", "sentinel_password=no")
    with opened(wrong) as backend, pytest.raises(NotAuthorised):
        backend.queues()
    with (
        opened("redis+sentinel://127.0.0.1:1,127.0.0.1:2/jobs?timeout=0.5") as backend,
        pytest.raises(BackendUnreachable, match="no sentinel of 'jobs' answers"),
    ):
        backend.queues()


def test_at_most_once_is_refused_unless_the_risk_is_taken(service: SentinelService, namespace: str) -> None:
    with opened(service.url, namespace) as backend:
        with pytest.raises(UsageError, match="accept_failover_risk"):
            backend.insert([draft(), draft(delivery="at_most_once")])
        assert backend.queues() == []
    with opened(service.url + "&accept_failover_risk=true", namespace) as backend:
        add(backend, delivery="at_most_once")
        assert states(backend) == {"ready": 1}


def test_a_client_of_redis_py_goes_to_the_primary(service: SentinelService, namespace: str) -> None:
    with opened(service.url, namespace) as backend:
        assert backend.redis_py().info("replication")["role"] == "master"
