"""Where a worker shows its metrics. Pure."""

from ipaddress import ip_address

import msgspec

from jq_cli.errors import UsageError

LOOPBACK = "127.0.0.1"


class Address(msgspec.Struct, frozen=True):
    """An address to listen on; port 0: any free one."""

    host: str
    port: int

    @property
    def private(self) -> bool:
        """Whether only this machine reaches it."""
        return self.host == "localhost" or (_is_ip(self.host) and ip_address(self.host).is_loopback)

    @property
    def shown(self) -> str:
        """HOST:PORT, as URLs have it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def known_as(self, name: str) -> bool:
        """Whether a request that names this host may be meant for it. A web page whose own name was made to lead to this machine
        cannot have a browser send another name; where others may ask anyway it does not matter."""
        return not self.private or name in (self.host, "localhost") or _is_ip(name.strip("[]"))


def parse_address(text: str) -> Address:
    """The address in `PORT`, `HOST:PORT` or `[IPV6]:PORT`; without a host that of this machine alone. Raises UsageError."""
    host, colon, port = text.rpartition(":")
    if not (port.isascii() and port.isdecimal() and int(port) <= 65_535 and (host or not colon)):
        raise UsageError(f"--metrics-port: expected PORT or HOST:PORT with a port from 0 to 65535, got {text[:80]!r}")
    return Address(host.removeprefix("[").removesuffix("]") or LOOPBACK, int(port))


def _is_ip(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
