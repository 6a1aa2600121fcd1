"""Where the server listens: parses the address, opens the socket, and refuses one that would let strangers in."""

import os
import socket
import ssl
import stat
from contextlib import suppress
from ipaddress import ip_address

import msgspec

from jq_cli.errors import ConfigError, UsageError

DEFAULT = "127.0.0.1:8787"
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
BACKLOG = 1_024


class Tls(msgspec.Struct, frozen=True):
    """Files in PEM form. `client_ca`: only clients that show a certificate of this authority get in."""

    certfile: str
    keyfile: str
    client_ca: str | None = None

    def context(self) -> ssl.SSLContext:
        """The settings of the listening side. Raises ConfigError when a file cannot be used."""
        try:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.client_ca)
            context.load_cert_chain(self.certfile, self.keyfile)
        except (OSError, ValueError) as error:
            files = ", ".join(filter(None, [self.certfile, self.keyfile, self.client_ca]))
            raise ConfigError(f"TLS: {getattr(error, 'strerror', None) or error} ({files})") from None
        if self.client_ca is not None:
            context.verify_mode = ssl.CERT_REQUIRED
        return context


class Place(msgspec.Struct, frozen=True):
    """An address to listen on: a Unix socket when `path` is set, else `host` and `port` (0: any free one)."""

    host: str = ""
    port: int = 0
    path: str = ""

    @property
    def private(self) -> bool:
        """Whether only this machine reaches it."""
        if self.path or self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    def url(self, *, tls: bool = False) -> str:
        """The address for `--backend`."""
        if self.path:
            return f"unix+http://{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if tls else 'http'}://{host}:{self.port}"

    def hosts(self) -> set[str]:
        """The names under which the server may be asked for without being told of more."""
        if self.path:
            return {"*"}
        names = {self.host, *(LOOPBACK_NAMES if self.private else (socket.gethostname(),))}
        return {name for name in names if name and not _every(name)}


def _every(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False


def parse_place(text: str) -> Place:
    """The place in `HOST:PORT`, `[IPV6]:PORT`, `PORT` or `unix:/path`. Raises UsageError for anything else."""
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if not path.startswith("/"):
            raise UsageError(f"--listen: expected unix:/path/of/socket, got {text[:80]!r}")
        return Place(path=path)
    host, colon, port = text.rpartition(":")
    if not port.isdecimal() or not port.isascii() or int(port) > 65_535 or (colon and not host):
        raise UsageError(f"--listen: expected HOST:PORT, PORT or unix:/path, got {text[:80]!r}")
    host = host.removeprefix("[").removesuffix("]") if colon else "127.0.0.1"
    return Place(host, int(port))


def demand_safe(place: Place, *, tokens: bool, client_certificates: bool) -> None:
    """Raises UsageError for a place that others reach when nothing tells friend from stranger there."""
    if not (place.private or tokens or client_certificates):
        raise UsageError(
            f"--listen {place.host}:{place.port}: others reach this address, and without tokens (--tokens, ADMIN_TOKEN) or "
            "client certificates (--client-ca) they could do everything; use 127.0.0.1 or unix:/path, or make a token"
        )


def open_socket(place: Place) -> tuple[socket.socket, Place]:
    """A listening socket, and the place with the port it got. A Unix socket is for its owner alone, and takes the place of
    one that nobody listens on any more. Raises UsageError when that does not work."""
    try:
        return (_unix(place.path), place) if place.path else _tcp(place)
    except OSError as error:
        raise UsageError(f"--listen {place.path or f'{place.host}:{place.port}'}: {error.strerror or error}") from None


def _tcp(place: Place) -> tuple[socket.socket, Place]:
    family, kind, protocol, _, address = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)[0]
    # With the protocol named, asyncio switches Nagle's algorithm off: it would hold every answer back by 40 ms.
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener, msgspec.structs.replace(place, port=listener.getsockname()[1])


def _unix(path: str) -> socket.socket:
    _clear(path)
    listener = socket.socket(socket.AF_UNIX)
    old = os.umask(0o177)
    try:
        listener.bind(path)
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    finally:
        os.umask(old)
    return listener


def _clear(path: str) -> None:
    """Remove a socket that nobody listens on. Whatever else lies there stays, and makes `bind` fail."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(path)
            except ConnectionRefusedError:
                os.unlink(path)
