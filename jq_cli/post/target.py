"""Where a request may go: a URL whose host is resolved once for each request, and every address of it checked."""

import ipaddress
import re
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec

from jq_cli.errors import UsageError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[..., list[Any]]

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_VISIBLE = re.compile(r"[!-~]*")


class Forbidden(Exception):
    """The host leads to an address that requests must not go to."""


class Target(msgspec.Struct, frozen=True):
    """A checked URL, in its parts. `allow_private`: it may lead into private networks, and may be plain http."""

    scheme: str
    host: str
    port: int
    path: str
    allow_private: bool = False

    @classmethod
    def parse(cls, url: str, *, allow_private: bool = False) -> "Target":
        """The target that a URL names. Raises UsageError for what must not be asked for at all."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise UsageError(f"not a URL: {url[:60]!r}: {error}") from None
        if parts.scheme not in ("https", "http") or not parts.hostname or not _VISIBLE.fullmatch(url):
            raise UsageError(f"expected an https URL without blanks, got {_shown(url)}")
        if parts.username is not None or parts.password is not None:
            raise UsageError(
                f"a URL with a user or password would show them; sign requests with a secret: {_shown(url)}"
            )
        if parts.scheme == "http" and not allow_private:
            raise UsageError(
                f"plain http is only for private networks that are allowed explicitly; use https: {_shown(url)}"
            )
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        target = cls(
            parts.scheme, parts.hostname, port or {"https": 443, "http": 80}[parts.scheme], path, allow_private
        )
        target._refuse_literal()
        return target

    @property
    def authority(self) -> str:
        """The Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == {"https": 443, "http": 80}[self.scheme] else f"{host}:{self.port}"

    def addresses(self, resolve: Resolve = socket.getaddrinfo) -> list[str]:
        """The addresses of the host, resolved now, in the order in which to try them. Raises Forbidden when one of them is in a
        private network, and OSError when there are none."""
        found = resolve(self.host, self.port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))
        for address in addresses:
            self._refuse(ipaddress.ip_address(address))
        return addresses

    def _refuse_literal(self) -> None:
        try:
            address = ipaddress.ip_address(self.host)
        except ValueError:
            return  # a name: judged by what it resolves to, each time
        try:
            self._refuse(address)
        except Forbidden as error:
            raise UsageError(str(error)) from None

    def _refuse(self, address: Address) -> None:
        if not self.allow_private and not is_public(address):
            raise Forbidden(
                f"{self.host} leads to {address}, not a public address; allow private networks if that is meant"
            )


def is_public(address: Address) -> bool:
    """Whether an address is on the public internet, also when it stands inside an IPv6 one."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or _nat64(address)
        if inner is not None:
            return is_public(inner)
        if address.teredo is not None:
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None


def _shown(url: str) -> str:
    """The URL without what may be secret in it."""
    return repr(re.sub(r"//[^/]*@", "//***@", url).partition("?")[0][:80])
