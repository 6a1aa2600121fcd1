"""What the tests of the Admin API ask, and the store behind it."""

from collections.abc import Iterator

import pytest

from jq_cli.backends.base import Backend
from jq_cli.backends.registry import open_backend
from tests.server.asking import Api
from tests.serving import Serving


@pytest.fixture
def api(memory_server: Serving, namespace: str) -> Api:
    return Api(memory_server.url, namespace)


@pytest.fixture
def store(memory_server: Serving, namespace: str) -> Iterator[Backend]:
    with open_backend(memory_server.url, namespace=namespace) as backend:
        yield backend
