"""The memory backend under the conformance suite. It is the model of the random runs too, so those compare it with itself."""

from typing import cast

from jq_cli.backends.base import Backend
from jq_cli.backends.memory.backend import MemoryBackend
from jq_cli.testing import ConformanceSuite
from tests.conformance.damage import damage_memory


class TestMemory(ConformanceSuite):
    url = "memory://"
    alone = True

    def damage(self, backend: Backend, queue: str, id: str, body: bytes) -> None:
        damage_memory(cast(MemoryBackend, backend), queue, id, body)
