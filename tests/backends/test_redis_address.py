"""URLs of Redis servers: what they mean, what is refused, and that TLS checks whom it talks to."""

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from jq_cli.backends.redis.address import Address, parse_address
from jq_cli.errors import BackendUnreachable, UsageError
from jq_cli.sockets import Tls
from tests.backends.redis_jobs import add, opened, take
from tests.backends.redis_proxy import Proxy
from tests.cluster_service import ClusterService
from tests.servers import RedisServer


def test_urls_take_the_forms_of_redis_py() -> None:
    cases = {
        "redis://": ("localhost", 6379, "", 0, "default", None),
        "redis://h:7000/3": ("h", 7000, "", 3, "default", None),
        "redis://:p%40ss@h": ("h", 6379, "", 0, "default", "p@ss"),
        "redis://u:p%2F@h/1": ("h", 6379, "", 1, "u", "p/"),
        "redis://h?db=2&password=x&username=y": ("h", 6379, "", 2, "y", "x"),
        "redis://[::1]:7/0": ("::1", 7, "", 0, "default", None),
        "unix:///run/redis%20x.sock?db=4": ("localhost", 6379, "/run/redis x.sock", 4, "default", None),
        "unix://u:p@/s": ("localhost", 6379, "/s", 0, "u", "p"),
    }
    for url, wanted in cases.items():
        a = parse_address(url, {})
        assert (a.host, a.port, a.path, a.db, a.username, a.password) == wanted, url
        assert a.tls is None


def test_a_service_of_sentinels() -> None:
    url = "rediss+sentinel://u:p%2F@a,b:7,[::1]:8/my%20jobs/3?sentinel_username=s&sentinel_password=x&ssl_ca_certs=/ca.pem&timeout=9"
    address = parse_address(url, {})
    assert (address.service, address.db, address.username, address.password) == ("my jobs", 3, "u", "p/")
    assert [(each.host, each.port) for each in address.sentinels] == [("a", 26379), ("b", 7), ("::1", 8)]
    assert {(each.username, each.password, each.db, each.timeout) for each in address.sentinels} == {("s", "x", 0, 9)}
    assert {each.tls for each in (address, *address.sentinels)} == {Tls(ca_certs="/ca.pem")}
    assert not address.at_most_once
    assert parse_address("redis+sentinel://h/s", {"accept_failover_risk": True}).at_most_once
    assert "x" not in parse_address("redis+sentinel://:p@h/s", {"sentinel_password": "x"}).shown


def test_a_cluster() -> None:
    url = "rediss+cluster://u:p%2F@a,b:7,[::1]:8/0?ssl_ca_certs=/ca.pem&timeout=9"
    address = parse_address(url, {})
    assert address.nodes == (("a", 6379), ("b", 7), ("::1", 8))
    assert (address.username, address.password, address.timeout, address.db) == ("u", "p/", 9, 0)
    assert address.tls == Tls(ca_certs="/ca.pem")
    assert not address.at_most_once
    assert parse_address("redis+cluster://h", {"accept_failover_risk": True}).at_most_once


def test_options_beside_the_url_win() -> None:
    address = parse_address("redis://u:p@h?timeout=5&client_name=a", {"timeout": 0.5, "password": "other"})
    assert (address.timeout, address.client_name, address.username, address.password) == (0.5, "a", "u", "other")


def test_no_secret_is_shown() -> None:
    for url in (
        "redis://u:secret@h/0",
        "redis://:secret@h",
        "redis://h?password=secret",
        "unix://u:secret@/s",
        "redis+sentinel://u:secret@h,i/s?sentinel_password=secret",
        "redis+cluster://u:secret@h,i?password=secret",
    ):
        assert "secret" not in parse_address(url, {}).shown


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis://h:port", "not a Redis address"),
        ("redis://h:70000", "not a Redis address"),
        ("redis://h/db", "not a Redis address"),
        ("redis://h?sentinel=1", "no option 'sentinel'; known: client_name"),
        ("redis://h?accept_failover_risk=1", "no option 'accept_failover_risk'"),
        ("redis+sentinel://h:26379", "the name of the service is missing"),
        ("redis+sentinel://h,:26379/s", "the host of a sentinel is missing"),
        ("redis+sentinel://h:port/s", "not a Redis address"),
        ("redis+sentinel://h/s/db", "not a Redis address"),
        ("redis+sentinel://h/s?accept_failover_risk=perhaps", "not a Redis address"),
        ("redis+cluster://h/3", "a cluster has no database 3, only 0"),
        ("redis+cluster://h?db=1", "a cluster has no database 1, only 0"),
        ("redis+cluster://h,:7000", "the host of a node is missing"),
        ("redis+cluster://h?sentinel_password=x", "no option 'sentinel_password'"),
        ("redis://h?timeout=0", r"expected 0\.\.3600 seconds"),
        ("redis://h?timeout=soon", "not a Redis address"),
        ("rediss://h?ssl_cert_reqs=maybe", "not a Redis address"),
        ("redis://u:secret@h:port", r"u:\*\*\*@h:port"),
    ],
)
def test_what_cannot_be_used_is_named(url: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_address(url, {})


def test_tls_is_checked_unless_the_url_says_otherwise() -> None:
    def tls(query: str = "") -> tuple[bool, bool, str | None]:
        found = parse_address("rediss://h" + query, {}).tls
        assert found is not None
        return found.verify, found.check_hostname, found.ca_certs

    assert tls() == (True, True, None)
    assert tls("?ssl_cert_reqs=none") == (False, False, None)
    assert tls("?ssl_check_hostname=false&ssl_ca_certs=/ca.pem") == (True, False, "/ca.pem")
    assert tls("?ssl_cert_reqs=CERT_REQUIRED") == (True, True, None)


def test_nothing_is_sent_before_the_first_call() -> None:
    with opened("redis://127.0.0.1:1/0") as backend:
        assert backend.url == "redis://127.0.0.1:1/0"


def test_a_unix_socket_and_another_database_work(redis_server: RedisServer, namespace: str) -> None:
    with opened(redis_server.unix_url + "?db=3&client_name=tester", namespace) as backend:
        add(backend)
        assert b"name=tester" in redis_server.command("CLIENT", "LIST")
    with opened(redis_server.url, namespace) as elsewhere:
        assert elsewhere.queues() == []
    with opened(redis_server.url.removesuffix("/0") + "/3", namespace) as same:
        assert same.queues() == ["q"]


def test_a_server_of_another_kind_is_told_apart(redis_server: RedisServer) -> None:
    with (
        Proxy(redis_server.port, says=b"HTTP/1.1 400 Bad Request\r\n\r\n") as proxy,
        opened(f"redis://127.0.0.1:{proxy.port}") as backend,
        pytest.raises(BackendUnreachable, match="not a Redis"),
    ):
        backend.queues()


# --- TLS, in front of a server that has none ---


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost, signed by itself; its key is beside it."""
    if shutil.which("openssl") is None:
        pytest.skip("TLS is tested where openssl can make a certificate; it is not on PATH here")
    folder = tmp_path_factory.mktemp("tls")
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *name, *files],
        check=True,
        capture_output=True,
    )
    return folder / "cert.pem"


@pytest.fixture
def secure_port(certificate: Path, redis_server: RedisServer) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    with Proxy(redis_server.port, tls=context) as proxy:
        yield proxy.port


def test_jobs_travel_over_tls(secure_port: int, certificate: Path, namespace: str) -> None:
    with opened(f"rediss://localhost:{secure_port}?ssl_ca_certs={certificate}", namespace) as backend:
        assert len(add(backend, 200, payload=b'"' + b"x" * 10_000 + b'"')) == 200
        assert backend.queues() == ["q"]
        watch = backend.watch(["ready:q"])
        watch.drain()
        watch.close()


def test_jobs_travel_to_the_nodes_of_a_cluster_over_tls(certificate: Path, namespace: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    with ClusterService(primaries=1) as cluster, Proxy(cluster.servers[0].port, tls=context) as proxy:
        cluster.ask(cluster.servers[0], "CONFIG", "SET", "cluster-announce-port", proxy.port)
        cluster.ask(cluster.servers[0], "CONFIG", "SET", "cluster-announce-hostname", "localhost")
        cluster.ask(cluster.servers[0], "CONFIG", "SET", "cluster-preferred-endpoint-type", "hostname")
        login = cluster.url.partition("//")[2].partition("@")[0]
        url = f"rediss+cluster://{login}@localhost:{proxy.port}?timeout=60&ssl_ca_certs={certificate}"
        with opened(url, namespace) as backend:
            add(backend, 200)
            assert len(take(backend, 200)) == 200
            backend.watch(["ready:q"]).close()


def test_a_certificate_nobody_vouches_for_is_refused_at_once(secure_port: int, namespace: str) -> None:
    url = f"rediss://localhost:{secure_port}"
    with opened(url, namespace) as backend, pytest.raises(BackendUnreachable, match=r"self.signed certificate"):
        backend.queues()


def test_a_certificate_for_another_host_is_refused(secure_port: int, certificate: Path, namespace: str) -> None:
    url = f"rediss://127.0.0.1:{secure_port}?ssl_ca_certs={certificate}"
    with opened(url, namespace) as backend, pytest.raises(BackendUnreachable, match="certificate"):
        backend.queues()
    with opened(url + "&ssl_check_hostname=false", namespace) as backend:
        assert backend.queues() == []


def test_an_unchecked_certificate_is_taken_as_asked(secure_port: int, namespace: str) -> None:
    with opened(f"rediss://localhost:{secure_port}?ssl_cert_reqs=none", namespace) as backend:
        assert isinstance(parse_address(backend.url, {}), Address)
        assert backend.queues() == []


def test_a_missing_file_of_authorities_is_told(secure_port: int, namespace: str) -> None:
    url = f"rediss://localhost:{secure_port}?ssl_ca_certs=/nowhere.pem&timeout=0.2"
    with opened(url, namespace) as backend, pytest.raises(BackendUnreachable, match="No such file"):
        backend.queues()
