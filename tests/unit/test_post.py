"""Requests go only where they may, end in time, follow nobody, and are signed so that others can check it."""

import ipaddress
import socket
import ssl
import time
from typing import Any

import pytest
import trustme

from jq_cli.errors import UsageError
from jq_cli.post.request import MAX_ANSWER, Unanswered, post
from jq_cli.post.signature import TOLERANCE, keys_of, signed, verify
from jq_cli.post.target import Forbidden, Target, is_public
from tests.hooks.receiver import Receiver, raw_server

# --- where they may go ---

PRIVATE = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "192.0.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
    "::1", "::", "fc00::1", "fd12::1", "fe80::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1",
    "64:ff9b::7f00:1", "2002:7f00:1::", "2002:a00:1::1", "2001:0:1::1", "2001:db8::1",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "8.8.8.8", "93.184.215.14", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public_is_refused_however_it_is_written(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(UsageError, match="not a public address"):
        Target.parse(f"https://{host}/")
    with pytest.raises(Forbidden):
        Target.parse("https://name/").addresses(resolving(address))
    assert Target.parse(f"https://{host}/", allow_private=True).port == 443


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_allowed(address: str) -> None:
    assert Target.parse("https://name/").addresses(resolving(address)) == [address]


def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    with pytest.raises(Forbidden, match=r"10\.0\.0\.1"):
        Target.parse("https://name/").addresses(resolving("1.1.1.1", "10.0.0.1"))


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/", "file:///etc/passwd", "example.org", "https://", "https:///path", "https://a b/",
        "https://example.org/\r\nX: y", "https://example.org:99999/", "https://u:secret@example.org/", "https://u@example.org/",
        "http://example.org/", "https://exämple.org/", "",
    ],
)  # fmt: skip
def test_what_is_no_plain_https_url_is_refused_without_showing_secrets(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        Target.parse(url)
    assert "secret" not in str(refused.value).replace("with a secret", "")


def test_the_parts_of_a_url_are_kept() -> None:
    target = Target.parse("https://Example.org:8443/a/b?c=d#e")
    assert (target.host, target.port, target.path, target.authority) == (
        "example.org",
        8443,
        "/a/b?c=d",
        "example.org:8443",
    )
    assert Target.parse("https://[2606:4700::1]").authority == "[2606:4700::1]"


def resolving(*addresses: str) -> Any:
    def resolve(host: str, port: int, **_options: Any) -> list[Any]:
        return [(socket.AF_INET6 if ":" in a else socket.AF_INET, 1, 6, "", (a, port)) for a in addresses]

    return resolve


# --- how they go ---


@pytest.fixture
def receiver() -> Any:
    receiver = Receiver()
    yield receiver
    receiver.stop()


def local(url: str) -> Target:
    return Target.parse(url, allow_private=True)


def test_a_body_and_headers_arrive_as_they_are(receiver: Receiver) -> None:
    receiver.answer((202, {}, b"thanks\nmore"))
    answer = post(local(receiver.url + "?a=b"), b"\x00body", {"X-One": "1"}, timeout=10)
    [request] = receiver.received
    assert (request.path, request.body, request.headers["x-one"]) == ("/in?a=b", b"\x00body", "1")
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert (answer.status, answer.told) == (202, "HTTP 202 Accepted: thanks")


def test_the_name_is_looked_up_once_and_the_checked_address_is_used(receiver: Receiver) -> None:
    asked: list[str] = []

    def resolve(host: str, port: int, **_options: Any) -> list[Any]:
        asked.append(host)
        return resolving("127.0.0.1" if len(asked) == 1 else "127.0.0.2")(host, port)

    target = local(f"http://somewhere.invalid:{receiver.port}/x")
    assert post(target, b"", {}, timeout=10, resolve=resolve).status == 200
    assert asked == ["somewhere.invalid"]
    assert receiver.received[0].headers["host"] == f"somewhere.invalid:{receiver.port}"


def test_a_name_that_changes_to_a_private_address_is_refused_before_anything_is_sent(receiver: Receiver) -> None:
    target = Target.parse(f"https://rebound.example:{receiver.port}/")
    assert target.addresses(resolving("1.1.1.1")) == ["1.1.1.1"]
    with pytest.raises(Forbidden):
        post(target, b"", {}, timeout=10, resolve=resolving("127.0.0.1"))
    assert receiver.received == []


def test_the_next_address_is_tried_when_one_does_not_answer(receiver: Receiver) -> None:
    target = local(f"http://name:{receiver.port}/")
    assert post(target, b"", {}, timeout=10, resolve=resolving("127.0.0.9", "127.0.0.1")).status == 200


def test_redirects_are_answers_like_others(receiver: Receiver) -> None:
    receiver.answer((302, {"Location": f"{receiver.url}/elsewhere"}, b""))
    assert post(local(receiver.url), b"", {}, timeout=10).status == 302
    assert len(receiver.received) == 1


def test_proxies_of_the_environment_are_not_asked(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert post(local(receiver.url), b"", {}, timeout=10).status == 200


def test_no_more_of_an_answer_is_read_than_is_of_use() -> None:
    def endless(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                sock.sendall(b"x" * 65536)
        except OSError:
            pass

    with raw_server(endless) as port:
        assert len(post(local(f"http://127.0.0.1:{port}/"), b"", {}, timeout=30).body) == MAX_ANSWER


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nX-", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"])
def test_an_answer_that_trickles_ends_with_the_deadline_of_the_whole(said: bytes) -> None:
    def trickle(sock: socket.socket) -> None:
        sock.sendall(said)
        try:
            while True:
                time.sleep(0.02)
                sock.sendall(b"a")
        except OSError:
            pass

    with raw_server(trickle) as port, pytest.raises(Unanswered, match="in time"):
        post(local(f"http://127.0.0.1:{port}/"), b"", {}, timeout=0.3)


@pytest.mark.parametrize(
    "said", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 70_000 + b"\r\n\r\n"]
)
def test_what_is_no_answer_is_none(said: bytes) -> None:
    def say(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.sendall(said)

    with raw_server(say) as port, pytest.raises(Unanswered):
        post(local(f"http://127.0.0.1:{port}/"), b"", {}, timeout=10)


def test_nobody_there_is_no_answer() -> None:
    with pytest.raises(Unanswered, match="refused"):
        post(local("http://127.0.0.1:1/"), b"", {}, timeout=10)
    with pytest.raises(Unanswered):
        post(local("http://name.invalid/"), b"", {}, timeout=10)


@pytest.mark.parametrize(
    ("text", "ms"), [("7", 7_000), ("-7", 0), ("soon", 0), ("", 0), ("Mon, 05 Jan 1970 00:00:00 GMT", 0)]
)
def test_retry_after_is_understood(receiver: Receiver, text: str, ms: int) -> None:
    receiver.answer((503, {"Retry-After": text}, b""))
    assert post(local(receiver.url), b"", {}, timeout=10).retry_after == ms


def test_retry_after_may_be_a_date(receiver: Receiver) -> None:
    receiver.answer((503, {"Retry-After": "Fri, 31 Dec 2100 23:59:59 GMT"}, b""))
    assert post(local(receiver.url), b"", {}, timeout=10).retry_after > 10**11


def test_certificates_are_verified(receiver: Receiver) -> None:
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(server)
    receiver.use_tls(server)
    with pytest.raises(Unanswered, match="CERTIFICATE_VERIFY_FAILED"):
        post(local(receiver.url), b"", {}, timeout=10)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    assert post(local(receiver.url), b"", {}, timeout=10, tls=trusting).status == 200
    other = Target.parse(receiver.url.replace("localhost", "other.example"), allow_private=True)
    with pytest.raises(Unanswered, match="CERTIFICATE_VERIFY_FAILED"):
        post(other, b"", {}, timeout=10, tls=trusting, resolve=resolving("127.0.0.1"))


# --- who sent them ---

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_the_signature_is_that_of_the_specification() -> None:
    headers = signed(keys_of(SECRET), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_a_signature_proves_body_id_and_time() -> None:
    headers = signed(keys_of("one"), "id", 1_000, b"body")
    assert verify("one", headers, b"body", now=1_000)
    assert not verify("two", headers, b"body", now=1_000)
    assert not verify("one", headers, b"other", now=1_000)
    assert not verify("one", headers | {"webhook-id": "other"}, b"body", now=1_000)
    assert not verify("one", headers | {"webhook-timestamp": "1001"}, b"body", now=1_000)
    assert not verify("one", headers, b"body", now=1_001 + TOLERANCE)
    assert not verify("one", headers | {"webhook-signature": "v1,é"}, b"body", now=1_000)
    assert not verify("one", {}, b"body", now=1_000)


def test_during_a_change_of_secrets_both_prove_it() -> None:
    headers = signed(keys_of("old new"), "id", 1_000, b"body")
    assert verify("old", headers, b"body", now=1_000)
    assert verify("new", headers, b"body", now=1_000)


@pytest.mark.parametrize("secret", ["", "  ", "whsec_", "whsec_!!!"])
def test_a_secret_that_is_none_is_refused(secret: str) -> None:
    with pytest.raises(UsageError):
        keys_of(secret)
