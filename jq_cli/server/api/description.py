"""The OpenAPI document: what litestar makes of our routes, with the errors that we give in place of those that it would."""

import json
from inspect import cleandoc
from typing import Any

import msgspec
from litestar import Litestar

from jq_cli.server.problems import CONTENT_TYPE, Problem

_REFERENCE = "#/components/schemas/{name}"
_PROBLEM = {
    "description": "It was not done; the problem says why.",
    "content": {CONTENT_TYPE.decode(): {"schema": {"$ref": _REFERENCE.format(name="Problem")}}},
}


def described(app: Litestar) -> dict[str, Any]:
    """The document of an application."""
    found: dict[str, Any] = json.loads(json.dumps(app.openapi_schema.to_schema()))
    for operations in found["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("400", None)
            operation["responses"]["default"] = _PROBLEM
    _, schemas = msgspec.json.schema_components([Problem], ref_template=_REFERENCE)
    for schema in schemas.values():
        schema["description"] = cleandoc(schema["description"])  # from Python 3.13 on docstrings have no margin
    found["components"]["schemas"] |= schemas
    return found
