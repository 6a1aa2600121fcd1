"""Where a Redis server is and how to log in: a URL of the forms that redis-py takes, as one checked record.

`redis://[user[:password]@]host[:port][/db]`, the same with `rediss` for TLS, and `unix://[user[:password]@]/path[?db=0]`;
`redis+sentinel://[user[:password]@]host[:port][,host[:port]...]/service[/db]`, where the hosts are sentinels, `rediss+sentinel`
for TLS; `redis+cluster://[user[:password]@]host[:port][,host[:port]...]`, some nodes of a cluster, `rediss+cluster` for TLS;
options in the query, see OPTIONS. User and password are percent-encoded; a password alone is that of the default user.
"""

from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import msgspec
from msgspec.structs import replace

from jq_cli.errors import UsageError
from jq_cli.sockets import Tls
from jq_cli.store_url import mask_url

OPTIONS = (
    "client_name", "db", "password", "ssl_ca_certs", "ssl_cert_reqs", "ssl_certfile", "ssl_check_hostname", "ssl_keyfile",
    "ssl_password", "timeout", "username",
)  # fmt: skip
"""Options of the query and of the configuration, named as in redis-py, and `timeout`: seconds until a call gives up."""

SENTINEL_OPTIONS = (*OPTIONS, "accept_failover_risk", "sentinel_password", "sentinel_username")
"""Those of a service that sentinels watch over."""

CLUSTER_OPTIONS = (*OPTIONS, "accept_failover_risk")

TIMEOUT = 2.0
PORT = 6379
SENTINEL_PORT = 26379
_SENTINEL = ("redis+sentinel", "rediss+sentinel")
_CLUSTER = ("redis+cluster", "rediss+cluster")
_SCHEMES = ("redis", "rediss", "unix", *_SENTINEL, *_CLUSTER)
_OPTIONS = {**dict.fromkeys(_SENTINEL, SENTINEL_OPTIONS), **dict.fromkeys(_CLUSTER, CLUSTER_OPTIONS)}
_REQUIRED = {"none": False, "optional": True, "required": True}
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class Address(msgspec.Struct, frozen=True):
    """A server and a login. `path` is set for a Unix socket, else `host` and `port`; `shown` is the URL without secrets.

    With a `service` the server is whichever the `sentinels` call its primary; `host` and `port` are unknown until one was asked.
    With `nodes`, hosts and ports of some of them, it is a cluster; `host` and `port` mean nothing.
    `at_most_once` says whether jobs with that delivery are taken: a failover can forget that one was started."""

    shown: str
    host: str = "localhost"
    port: int = 6379
    path: str = ""
    db: int = 0
    username: str = "default"
    password: str | None = None
    client_name: str = "jq"
    timeout: float = TIMEOUT
    tls: Tls | None = None
    service: str = ""
    sentinels: tuple["Address", ...] = ()
    nodes: tuple[tuple[str, int], ...] = ()
    at_most_once: bool = True


def parse_address(url: str, options: dict[str, Any]) -> Address:
    """The address in a URL and the options beside it, which win. Raises UsageError naming what cannot be used."""
    parts = urlsplit(url)
    asked = {**dict(parse_qsl(parts.query, keep_blank_values=True)), **options}
    known = _OPTIONS.get(parts.scheme, OPTIONS)
    unknown = sorted(set(asked) - set(known))
    if parts.scheme not in _SCHEMES or unknown:
        what = f"no option {unknown[0]!r}; known: {', '.join(known)}" if unknown else f"not one of {_SCHEMES}"
        raise UsageError(f"{mask_url(url)}: {what}")
    try:
        read = _service if parts.scheme in _SENTINEL else _cluster if parts.scheme in _CLUSTER else _address
        return read(parts, asked, mask_url(url))
    except (ValueError, KeyError) as error:
        raise UsageError(f"{mask_url(url)}: not a Redis address ({error})") from None


def _address(parts: SplitResult, asked: dict[str, Any], shown: str) -> Address:
    login = _login(parts, asked)
    client_name = str(asked.get("client_name", "jq"))
    timeout = _positive(asked.get("timeout", TIMEOUT))
    if parts.scheme == "unix":
        db, path = int(asked.get("db", 0)), unquote(parts.path)
        return Address(shown, path=path, db=db, client_name=client_name, timeout=timeout, **login)
    db = int(asked.get("db", parts.path.strip("/") or 0))
    tls = _tls(asked) if parts.scheme == "rediss" else None
    host, port = parts.hostname or "localhost", parts.port or PORT
    return Address(shown, host, port, db=db, client_name=client_name, timeout=timeout, tls=tls, **login)


def _service(parts: SplitResult, asked: dict[str, Any], shown: str) -> Address:
    """What sentinels watch over. They have a login of their own, and TLS when the server has it."""
    credentials, at, hosts = parts.netloc.rpartition("@")
    service, _, db = parts.path.strip("/").partition("/")
    if not service:
        raise ValueError("the name of the service is missing: host:26379,host:26379/SERVICE")
    scheme = parts.scheme.removesuffix("+sentinel")
    server = _address(urlsplit(f"{scheme}://{credentials}{at}/{db}"), asked, shown)
    return replace(
        server,
        host="",
        service=unquote(service),
        sentinels=tuple(_sentinel(f"{scheme}://{host}", asked, shown) for host in hosts.split(",")),
        at_most_once=_takes_risk(asked),
    )


def _cluster(parts: SplitResult, asked: dict[str, Any], shown: str) -> Address:
    credentials, at, hosts = parts.netloc.rpartition("@")
    scheme = parts.scheme.removesuffix("+cluster")
    server = _address(urlsplit(f"{scheme}://{credentials}{at}{parts.path}"), asked, shown)
    if server.db:
        raise ValueError(f"a cluster has no database {server.db}, only 0")
    places = [urlsplit(f"{scheme}://{host}") for host in hosts.split(",")]
    if not all(place.hostname for place in places):
        raise ValueError("the host of a node is missing: host:6379,host:6379")
    nodes = tuple((place.hostname or "", place.port or PORT) for place in places)
    return replace(server, host="", nodes=nodes, at_most_once=_takes_risk(asked))


def _takes_risk(asked: dict[str, Any]) -> bool:
    return _TRUTH[str(asked.get("accept_failover_risk", "false")).lower()]


def _sentinel(url: str, asked: dict[str, Any], shown: str) -> Address:
    place = urlsplit(url)
    if not place.hostname:
        raise ValueError("the host of a sentinel is missing")
    login = {name: asked[f"sentinel_{name}"] for name in ("username", "password") if f"sentinel_{name}" in asked}
    others = {name: value for name, value in asked.items() if name not in ("db", "username", "password")}
    return replace(_address(place, others | login, shown), port=place.port or SENTINEL_PORT)


def _login(parts: SplitResult, asked: dict[str, Any]) -> dict[str, Any]:
    password = asked.get("password", parts.password and unquote(parts.password))
    return {
        "username": asked.get("username") or unquote(parts.username or "") or "default",
        "password": password or None,
    }


def _tls(asked: dict[str, Any]) -> Tls:
    verify = _REQUIRED[str(asked.get("ssl_cert_reqs", "required")).lower().removeprefix("cert_")]
    return Tls(
        verify=verify,
        check_hostname=verify and _TRUTH[str(asked.get("ssl_check_hostname", "true")).lower()],
        ca_certs=asked.get("ssl_ca_certs"),
        certfile=asked.get("ssl_certfile"),
        keyfile=asked.get("ssl_keyfile"),
        password=asked.get("ssl_password"),
    )


def _positive(value: object) -> float:
    seconds = float(str(value))
    if not 0 < seconds <= 3600:
        raise ValueError(f"timeout: expected 0..3600 seconds, got {seconds:g}")
    return seconds
