"""How a pool of children runs."""

import msgspec


class PoolOptions(msgspec.Struct, frozen=True):
    """How a pool runs. Times in seconds, memory in bytes; `max_jobs` and `max_memory` recycle a child, 0: never."""

    processes: int = 2
    concurrency: int = 1
    grace: float = 5.0
    max_jobs: int = 0
    max_memory: int = 0
    pass_backend: str | None = None
