"""How a stored body is overwritten in each of our backends."""

from jq_cli.backends.memory import MemoryBackend
from jq_cli.job import HEAD, decode


def damage_memory(backend: MemoryBackend, queue: str, id: str, body: bytes) -> None:
    """Memory keeps jobs, not bodies: put what decoding such a body would give."""
    jobs = backend._queues[queue].jobs
    head = {name: getattr(jobs[id], name) for name in HEAD}
    jobs[id] = decode(body, payload=jobs[id].payload, **head)
