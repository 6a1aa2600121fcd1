"""Trouble with a server turned into the errors of the product."""

from collections.abc import Iterator
from contextlib import contextmanager

import h11
import msgspec

from jq_cli import errors
from jq_cli.backends.http.connection import Reply
from jq_cli.errors import BackendError, BackendUnreachable, JqError, NotAuthorised

CODES: dict[str, type[JqError]] = {
    "usage": errors.UsageError,
    "not_found": errors.NotFound,
    "conflict": errors.Conflict,
    "backend_full": errors.BackendFull,
    "backend_unreachable": errors.BackendUnreachable,
    "backend": errors.BackendError,
    "not_authorised": errors.NotAuthorised,
}
"""The `code` of a problem that the server reports, and the error it stands for here."""

_REFUSED = (401, 403, 429)
_GATEWAY = (502, 503, 504)


class Problem(msgspec.Struct):
    """What the server says about a failed call (application/problem+json)."""

    title: str = ""
    detail: str = ""
    code: str = ""
    field: str = ""


def raised(reply: Reply, shown: str) -> JqError:
    """The error for an answer that is not a success, from the server at a URL for people."""
    try:
        problem = msgspec.json.decode(reply.body, type=Problem)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        problem = Problem()
    what = problem.detail or problem.title or f"answered with status {reply.status}"
    kind = CODES.get(problem.code)
    if kind is None:
        what += "" if problem.code else "; is this a jq server?"
        kind = BackendUnreachable if reply.status in _GATEWAY else BackendError
    if reply.status in _REFUSED:
        kind = NotAuthorised
    if kind is errors.UsageError and problem.field:
        return errors.InvalidField(problem.field, what.removeprefix(f"{problem.field}: "))
    return kind(f"{shown}: {what}" if issubclass(kind, BackendError) else what)


@contextmanager
def translating(shown: str) -> Iterator[None]:
    """Errors of the connection and of the protocol as ours."""
    try:
        yield
    except h11.RemoteProtocolError as error:
        raise BackendUnreachable(f"{shown}: this is not an HTTP server ({error})") from error
    except TimeoutError as error:
        raise BackendUnreachable(f"{shown}: no answer in time") from error
    except OSError as error:
        if _untrusted(error):
            raise NotAuthorised(f"{shown}: {error.strerror or error}") from error
        raise BackendUnreachable(f"{shown}: {error.strerror or error}") from error


def _untrusted(error: OSError) -> bool:
    # By name: ssl is imported only where TLS is used.
    return type(error).__name__ == "SSLCertVerificationError"
