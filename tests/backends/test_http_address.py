"""Where a server may be and how clients log in: URLs, tokens, Unix sockets, TLS with and without client certificates."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from jq_cli.backends.http.address import Tls as ClientTls
from jq_cli.backends.http.address import parse_address
from jq_cli.backends.registry import open_backend
from jq_cli.errors import BackendUnreachable, NotAuthorised, UsageError
from jq_cli.server.access import chosen_token
from jq_cli.server.listen import Tls
from tests.serving import Serving

SECRET = "a-secret-of-some-length"


@pytest.fixture(autouse=True)
def no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JQ_TOKEN", "JQ_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("url", "host", "port", "prefix"),
    [
        ("http://h:8787", "h", 8787, ""),
        ("http://h", "h", 80, ""),
        ("https://h/jobs/", "h", 443, "/jobs"),
        ("http://[::1]:9/", "::1", 9, ""),
    ],
)
def test_urls_are_understood(url: str, host: str, port: int, prefix: str) -> None:
    address = parse_address(url, {})
    assert (address.host, address.port, address.prefix) == (host, port, prefix)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://user:pw@h", "no login in the URL"),
        (f"http://{SECRET}@h", "no login in the URL"),
        ("http://h?token=x", "no option 'token'"),
        ("http://h:port", "not the address"),
        ("http://h:99999", "not the address"),
        ("unix+http://", "expected unix+http:///path"),
        ("unix+http://host/path", "expected unix+http:///path"),
        ("http://h?timeout=0", "timeout: expected 0..3600"),
        ("http://h?compress=maybe", "compress: expected true or false"),
        ("http://h?token_file=/nowhere/at/all", "No such file"),
    ],
)
def test_what_cannot_be_used_is_named_without_secrets(url: str, problem: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_address(url, {})
    assert problem in str(raised.value)
    assert SECRET not in str(raised.value)


def test_a_token_is_not_sent_to_another_host_without_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JQ_TOKEN", SECRET)
    with pytest.raises(UsageError, match="https only"):
        parse_address("http://jq.example.org", {})
    for url in ("https://jq.example.org", "http://127.0.0.1", "http://localhost", "http://[::1]", "unix+http:///s"):
        assert parse_address(url, {}).token == SECRET
    assert parse_address("http://jq.example.org?insecure=true", {}).token == SECRET


def test_a_token_with_a_line_break_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JQ_TOKEN", "a\r\nX-Evil: 1")
    with pytest.raises(UsageError, match="printable ASCII"):
        parse_address("http://localhost", {})


def test_a_named_file_wins_over_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("from-the-file\n")
    (tmp_path / "empty").write_text("")
    monkeypatch.setenv("JQ_TOKEN", SECRET)
    assert parse_address("http://localhost", {"token_file": str(tmp_path / "token")}).token == "from-the-file"
    with pytest.raises(UsageError, match="is empty"):
        parse_address("http://localhost", {"token_file": str(tmp_path / "empty")})


def test_compression_is_for_the_network() -> None:
    assert [parse_address(url, {}).compress for url in ("http://h", "http://127.0.0.1", "unix+http:///s")] == [
        True,
        False,
        False,
    ]


def test_client_certificates_are_options() -> None:
    address = parse_address("https://h?ssl_ca_certs=ca&ssl_certfile=c&ssl_keyfile=k", {})
    assert address.tls == ClientTls(ca_certs="ca", certfile="c", keyfile="k")


# --- real connections ---


def test_jobs_travel_over_a_unix_socket_that_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with Serving("memory://", path=path) as server:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with open_backend(server.url) as backend:
            assert backend.queues() == []
            assert backend.watch(["ready:q"]) is not None


class Authority:
    """A certificate authority with files for a server at localhost and for a client."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ca = trustme.CA()
        self.ca = self._file("ca.pem", self._ca.cert_pem)
        self.server = self._pair("server", self._ca.issue_cert("localhost", "127.0.0.1"))
        self.client = self._pair("client", self._ca.issue_cert("client@example.org"))

    def _pair(self, name: str, cert: trustme.LeafCert) -> tuple[str, str]:
        chain = self._folder / f"{name}.pem"
        chain.write_bytes(b"".join(blob.bytes() for blob in cert.cert_chain_pems))
        return str(chain), self._file(f"{name}.key", cert.private_key_pem)

    def _file(self, name: str, blob: trustme.Blob) -> str:
        blob.write_to_path(str(self._folder / name))
        return str(self._folder / name)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def secure(authority: Authority) -> Iterator[Serving]:
    with Serving("memory://", tls=Tls(*authority.server), tokens=[chosen_token("ci", SECRET)]) as server:
        yield server


def test_jobs_and_hints_travel_over_tls(secure: Serving, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JQ_TOKEN", SECRET)
    with open_backend(secure.url, ssl_ca_certs=authority.ca) as backend:
        assert backend.queues() == []
        watch = backend.watch(["ready:q"])
        assert watch is not None
        watch.drain()
        watch.close()


def test_a_server_that_nobody_vouches_for_is_not_told_the_token(
    secure: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JQ_TOKEN", SECRET)
    with (
        open_backend(secure.url) as backend,
        pytest.raises(NotAuthorised, match="certificate"),
    ):
        backend.queues()


def test_a_server_of_another_name_is_refused(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    other = authority._pair("other", authority._ca.issue_cert("jq.example.org"))
    with (
        Serving("memory://", tls=Tls(*other)) as server,
        open_backend(server.url, ssl_ca_certs=authority.ca) as backend,
        pytest.raises(NotAuthorised),
    ):
        backend.queues()


def test_with_client_certificates_only_those_who_have_one_get_in(authority: Authority) -> None:
    with Serving("memory://", tls=Tls(*authority.server, client_ca=authority.ca)) as server:
        certificate = {"ssl_certfile": authority.client[0], "ssl_keyfile": authority.client[1]}
        with open_backend(server.url, ssl_ca_certs=authority.ca, **certificate) as backend:
            assert backend.queues() == []
        stranger = open_backend(server.url, ssl_ca_certs=authority.ca, timeout=1)
        with stranger, pytest.raises((BackendUnreachable, NotAuthorised)):
            stranger.queues()
