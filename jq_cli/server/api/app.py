"""The Admin API as one ASGI application: litestar with our routes, our problems and our OpenAPI document."""

from typing import Any

import msgspec
from litestar import Litestar, Request, Response, Router, get
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, Schema, SecurityScheme
from litestar.plugins import OpenAPISchemaPlugin
from litestar.routes import BaseRoute
from litestar.typing import FieldDefinition

from jq_cli import __version__
from jq_cli.server.api.body import Verbatim
from jq_cli.server.api.clauses import clauses
from jq_cli.server.api.description import described
from jq_cli.server.api.desk import Office, demand_scope
from jq_cli.server.api.history import HistoryRoutes
from jq_cli.server.api.jobs import Jobs
from jq_cli.server.api.queues import Queues
from jq_cli.server.api.schedules import ScheduleRoutes
from jq_cli.server.api.seed import Seed
from jq_cli.server.api.stats import Stats
from jq_cli.server.api.workers import Workers
from jq_cli.server.problems import CONTENT_TYPE, Refused, plain_problem, problem_of

DESCRIPTION = """Everything that `jq` does with jobs, over HTTP. Errors are application/problem+json with a `code`: usage,
not_authorised, not_found, conflict, backend_full, backend_unreachable, backend, internal."""


class AnyJson(OpenAPISchemaPlugin):
    """Tells litestar that raw JSON may be anything."""

    @staticmethod
    def is_plugin_supported_type(value: Any) -> bool:
        return value is msgspec.Raw

    @staticmethod
    def is_plugin_supported_field(field_definition: FieldDefinition) -> bool:
        return field_definition.annotation is msgspec.Raw

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: Any) -> Schema:
        """A schema that holds for every value."""
        return Schema(description="any JSON")


class Described(JsonRenderPlugin):
    """Gives the document as we describe it."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """The document, as JSON."""
        return msgspec.json.encode(described(request.app))


class Pages(Router):
    """Where litestar puts the document. Leaves out the page that tells of any other path there in HTML."""

    def register(self, value: Any) -> list[BaseRoute]:
        """Add a route."""
        return [] if "/{path:str}" in getattr(value, "paths", ()) else super().register(value)


@get("/openapi.json", include_in_schema=False)
async def document(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """The document that describes the API."""
    return described(request.app)


def make_api(office: Office, max_body: int) -> Litestar:
    """The application, for bodies of up to `max_body` bytes. It takes part in no lifespan of its own."""
    return Litestar(
        route_handlers=[document, Jobs, Queues, Stats, HistoryRoutes, ScheduleRoutes, Workers, Seed],
        dependencies={"desk": Provide(office.desk), "clauses": Provide(clauses)},
        dto=Verbatim,
        return_dto=None,
        guards=[demand_scope],
        exception_handlers={Exception: _problem, HTTPException: _http_problem},
        openapi_config=OpenAPIConfig(
            title="jq",
            version=__version__,
            description=DESCRIPTION,
            openapi_router=Pages("/schema", route_handlers=[], include_in_schema=False, dto=None, return_dto=None),
            render_plugins=[Described()],
            use_handler_docstrings=True,
            security=[{"token": []}],
            components=Components(security_schemes={"token": SecurityScheme(type="http", scheme="bearer")}),
        ),
        plugins=[AnyJson()],
        logging_config=None,
        request_max_body_size=max_body,
        debug=False,
    )


def _problem(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    headers = error.headers if isinstance(error, Refused) else ()
    problem = problem_of(error)
    return _response(problem, {name.decode(): value.decode() for name, value in headers})


def _http_problem(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """litestar's own: an unknown path or method, a body or a parameter that is not as described."""
    details = [f"{each.get('key', '')}: {each.get('message', '')}" for each in _extra(error)]
    detail = error.detail if error.status_code < 500 else "unexpected; see the server's log"
    return _response(plain_problem(error.status_code, "; ".join([detail, *details])), error.headers or {})


def _extra(error: HTTPException) -> list[dict[str, Any]]:
    return [each for each in error.extra if isinstance(each, dict)] if isinstance(error.extra, list) else []


def _response(problem: Any, headers: dict[str, str]) -> Response[bytes]:
    return Response(
        msgspec.json.encode(problem), status_code=problem.status, media_type=CONTENT_TYPE.decode(), headers=headers
    )
