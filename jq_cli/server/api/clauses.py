"""Which jobs a request means: the query parameters that listings and counts share, those of `jq ls`."""

from typing import Annotated, Any

from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter

from jq_cli.job import State

Text = FromQuery[str | None]
Texts = FromQuery[list[str] | None]
States = Annotated[list[State] | None, QueryParameter(name="state")]
"""litestar keeps the name `state` for itself."""


async def clauses(
    *,
    error: Texts = None,
    payload: Texts = None,
    header: Texts = None,
    older_than: Text = None,
    newer_than: Text = None,
    priority: Text = None,
    attempts: Text = None,
) -> dict[str, Any]:
    """What a request asks of jobs, as arguments of JobFilter."""
    return {
        "errors": error or (), "payload": payload or (), "headers": header or (), "older_than": older_than,
        "newer_than": newer_than, "priority": priority, "attempts": attempts,
    }  # fmt: skip


Clauses = NamedDependency[dict[str, Any]]
"""How a handler asks for the clauses of its request."""
