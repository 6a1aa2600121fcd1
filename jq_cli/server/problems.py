"""Errors as the server tells them: application/problem+json (RFC 9457) with the product's own `code`."""

import sys
import traceback
from http import HTTPStatus

import msgspec

from jq_cli.errors import (
    BackendError,
    BackendFull,
    BackendUnreachable,
    Conflict,
    InvalidField,
    JqError,
    NotFound,
    UsageError,
)
from jq_cli.server.asgi import Scope, Send, TooLarge, answer

CONTENT_TYPE = b"application/problem+json"


class Problem(msgspec.Struct, omit_defaults=True):
    """What went wrong. `code` is one of usage, not_authorised, not_found, conflict, backend_full, backend_unreachable, backend,
    internal; `field` names the value that is out of bounds."""

    title: str
    status: int
    code: str
    detail: str = ""
    field: str = ""
    type: str = "about:blank"


class Refused(JqError):
    """The server does not serve this request: whoever asks may not, or not in this way."""

    exit_code = 6

    def __init__(self, status: int, message: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


_STATUS: list[tuple[type[JqError], int, str]] = [
    (TooLarge, 413, "usage"),
    (UsageError, 400, "usage"),
    (NotFound, 404, "not_found"),
    (Conflict, 409, "conflict"),
    (BackendFull, 507, "backend_full"),
    (BackendUnreachable, 503, "backend_unreachable"),
    # Also when the store refuses the server's own login: that is not the fault of whoever asks.
    (BackendError, 502, "backend"),
]
_CODES = {
    404: "not_found",
    405: "usage",
    409: "conflict",
    401: "not_authorised",
    403: "not_authorised",
    429: "not_authorised",
}


def problem_of(error: Exception) -> Problem:
    """The problem that an error is told as. An unexpected one is told without its message and shown on stderr."""
    if isinstance(error, Refused):
        return plain_problem(error.status, str(error))
    if isinstance(error, msgspec.ValidationError | msgspec.DecodeError | UnicodeDecodeError | RecursionError):
        return plain_problem(400, f"body: {error}")
    for kind, status, code in _STATUS:
        if isinstance(error, kind):
            field = error.field if isinstance(error, InvalidField) else ""
            return Problem(HTTPStatus(status).phrase, status, code, str(error), field)
    traceback.print_exception(error, file=sys.stderr)
    return Problem("Internal Server Error", 500, "internal", f"unexpected {type(error).__name__}; see the server's log")


def plain_problem(status: int, detail: str) -> Problem:
    """A problem of a status without an error of the product behind it."""
    code = _CODES.get(status, "usage" if status < 500 else "internal")
    return Problem(HTTPStatus(status).phrase, status, code, detail)


async def answer_problem(scope: Scope, send: Send, error: Exception) -> int:
    """Send an error; gives its status."""
    problem = problem_of(error)
    headers = error.headers if isinstance(error, Refused) else ()
    await answer(scope, send, problem.status, msgspec.json.encode(problem), (b"content-type", CONTENT_TYPE), *headers)
    return problem.status
