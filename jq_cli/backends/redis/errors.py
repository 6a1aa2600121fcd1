"""What a Redis server's trouble means here: the one place where its errors become ours."""

from collections.abc import Iterator
from contextlib import contextmanager

import hiredis

from jq_cli.errors import BackendError, BackendFull, BackendUnreachable, NotAuthorised

PASSING = {
    "LOADING": "the server is still loading its data",
    "READONLY": "the server is a read-only replica",
    "MASTERDOWN": "the server has lost its primary",
    "NOREPLICAS": "the server has too few replicas",
    "CLUSTERDOWN": "the cluster is down",
    "TRYAGAIN": "the cluster is moving the slot",
    "BUSY": "the server is busy with a script",
}
"""Code of an error answer that changed nothing and may pass, and what it says. The command may be sent again."""

_FULL = {
    "OOM": "the server is out of memory (maxmemory)",
    "MISCONF": "the server cannot write to its disk",
}
_REFUSED = {"NOAUTH", "WRONGPASS", "NOPERM"}


def code_of(error: hiredis.ReplyError) -> str:
    """The first word of an error answer."""
    return str(error).partition(" ")[0]


def hopeless(error: Exception) -> bool:
    """Whether trying to connect again would only fail again: the login or the certificate is wrong, or time is up."""
    if isinstance(error, hiredis.ReplyError):
        return code_of(error) not in PASSING
    return isinstance(error, TimeoutError) or type(error).__module__ == "ssl"


def translated(error: hiredis.ReplyError, shown: str) -> BackendError:
    """Our error for an error answer of the server at a URL (without secrets)."""
    code = code_of(error)
    if code in PASSING:
        return BackendUnreachable(f"{shown}: {PASSING[code]}")
    if code in _FULL:
        return BackendFull(f"{shown}: {_FULL[code]}; nothing was stored")
    if code in _REFUSED:
        return NotAuthorised(f"{shown}: {error}")
    if code in ("MOVED", "CROSSSLOT"):
        return BackendError(
            f"{shown}: this server is a node of a cluster, which is redis+cluster://host:port,host:port"
        )
    if "near '#'" in str(error):
        return BackendError(
            f"{shown}: this server is too old: it takes Redis 7, Valkey, or one that knows flags of scripts"
        )
    return BackendError(f"{shown}: {error}")


TROUBLE = (hiredis.ReplyError, hiredis.ProtocolError, OSError)
"""What the login, the protocol and the connection raise."""


def ours(error: Exception, shown: str) -> BackendError:
    """Our error for one of TROUBLE with the server at a URL (without secrets)."""
    match error:
        case hiredis.ReplyError():
            return translated(error, shown)
        case hiredis.ProtocolError():
            return BackendUnreachable(f"{shown}: this is not a Redis server ({error})")
        case TimeoutError():
            return BackendUnreachable(f"{shown}: no answer in time")
        case _:
            return BackendUnreachable(f"{shown}: {getattr(error, 'strerror', None) or error}")


@contextmanager
def translating(shown: str) -> Iterator[None]:
    """TROUBLE as our errors."""
    try:
        yield
    except TROUBLE as error:
        raise ours(error, shown) from error
