"""Where a `jq serve` is and how to log in: a URL and options, as one checked record.

`http://host[:port][/prefix]`, the same with `https`, and `unix+http:///path/of/socket`. The token never stands in the URL: it
comes from the file that `token_file` names, else from JQ_TOKEN, else from the file that JQ_TOKEN_FILE names.
"""

import os
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import msgspec

from jq_cli.errors import UsageError
from jq_cli.sockets import Tls
from jq_cli.store_url import mask_url

OPTIONS = ("compress", "insecure", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "timeout", "token_file")
"""Options of the query and of the configuration: `timeout` in seconds until a call gives up; `compress`: whether bodies of more
than 1 KiB are compressed (by default not on this machine); `insecure`: send the token without TLS."""

TIMEOUT = 3.0
MAX_TOKEN = 512
_SCHEMES = ("http", "https", "unix+http")
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class Address(msgspec.Struct, frozen=True):
    """A server and a login. `path` is set for a Unix socket, else `host` and `port`; `shown` is the URL for people."""

    shown: str
    host: str = "localhost"
    port: int = 80
    path: str = ""
    prefix: str = ""
    token: str = ""
    timeout: float = TIMEOUT
    compress: bool = False
    tls: Tls | None = None

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.path else f"{host}:{self.port}"


def parse_address(url: str, options: dict[str, Any]) -> Address:
    """The address in a URL and the options beside it, which win. Raises UsageError naming what cannot be used."""
    parts = urlsplit(url)
    shown = mask_url(url)
    asked = {**dict(parse_qsl(parts.query, keep_blank_values=True)), **options}
    unknown = sorted(set(asked) - set(OPTIONS))
    if parts.scheme not in _SCHEMES or unknown:
        what = f"no option {unknown[0]!r}; known: {', '.join(OPTIONS)}" if unknown else f"not one of {_SCHEMES}"
        raise UsageError(f"{shown}: {what}")
    if "@" in parts.netloc:
        # Not even what stands before a colon is shown: it may be the token.
        shown = f"{parts.scheme}://***@{parts.netloc.rpartition('@')[2]}"
        raise UsageError(f"{shown}: no login in the URL: the token comes from JQ_TOKEN, JQ_TOKEN_FILE or token_file")
    try:
        address = _address(parts, asked, shown)
    except (ValueError, KeyError) as error:
        raise UsageError(f"{shown}: not the address of a jq server ({error})") from None
    if address.token and address.tls is None and not _local(address) and not _truth(asked, "insecure", False):
        raise UsageError(f"{shown}: a token is sent over https only; insecure=true sends it as it is")
    return address


def _address(parts: SplitResult, asked: dict[str, Any], shown: str) -> Address:
    shared: dict[str, Any] = {"shown": shown, "token": find_token(asked.get("token_file")), "timeout": _seconds(asked)}
    if parts.scheme == "unix+http":
        if parts.netloc or len(parts.path) < 2:
            raise ValueError("expected unix+http:///path/of/socket")
        return Address(path=unquote(parts.path), compress=_truth(asked, "compress", False), **shared)
    tls = None
    if parts.scheme == "https":
        tls = Tls(
            ca_certs=asked.get("ssl_ca_certs"), certfile=asked.get("ssl_certfile"), keyfile=asked.get("ssl_keyfile")
        )
    port = parts.port or (443 if tls else 80)
    address = Address(host=parts.hostname or "localhost", port=port, prefix=parts.path.rstrip("/"), tls=tls, **shared)
    return msgspec.structs.replace(address, compress=_truth(asked, "compress", not _local(address)))


def find_token(file: str | None) -> str:
    """The token from a file, else from the environment; empty when there is none. Raises ValueError when it is no token."""
    file = file or (None if os.environ.get("JQ_TOKEN") else os.environ.get("JQ_TOKEN_FILE"))
    token = os.environ.get("JQ_TOKEN", "") if file is None else _first_line(file)
    if len(token) > MAX_TOKEN or not all("!" <= c <= "~" for c in token):
        raise ValueError(f"the token is not 1 to {MAX_TOKEN} printable ASCII characters")
    return token


def _first_line(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            token = file.readline(MAX_TOKEN + 2).rstrip("\r\n")
    except OSError as error:
        raise ValueError(f"token file {path}: {error.strerror}") from None
    if not token:
        raise ValueError(f"token file {path} is empty")
    return token


def _local(address: Address) -> bool:
    if address.path or address.host == "localhost":
        return True
    try:
        return ip_address(address.host).is_loopback
    except ValueError:
        return False


def _truth(asked: dict[str, Any], name: str, default: bool) -> bool:
    value = asked.get(name, default)
    if value is not default and str(value).lower() not in _TRUTH:
        raise ValueError(f"{name}: expected true or false, got {str(value)[:20]!r}")
    return _TRUTH[str(value).lower()]


def _seconds(asked: dict[str, Any]) -> float:
    seconds = float(str(asked.get("timeout", TIMEOUT)))
    if not 0 < seconds <= 3600:
        raise ValueError(f"timeout: expected 0..3600 seconds, got {seconds:g}")
    return seconds
