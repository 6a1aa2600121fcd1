"""jq: a job queue that operators drive from the command line, with one behaviour on every store.

For programs: `connect` opens a store, a `Queue` puts jobs in, looks at them, repairs them and waits for them. For handlers: raise
`Permanent` when trying again cannot help, `Snooze(seconds)` to run again later. For programs written against the earlier
interface: `RedisQueue(addr, queue)` and `queue_with_backend(backend)`. See docs/python.md.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jq_cli.api.backend_queue import BackendQueue, Context, RedisQueue, queue_with_backend
    from jq_cli.api.constructors import MemoryBackend, PostgresBackend, RedisBackend, SQLiteBackend, open_backend
    from jq_cli.api.queue import Queue, Store, connect
    from jq_cli.api.receipt import Receipt
    from jq_cli.backends.base import Backend, Controls, QueueCounts
    from jq_cli.config.settings import Settings
    from jq_cli.errors import (
        BackendError,
        BackendFull,
        BackendUnreachable,
        ConfigError,
        Conflict,
        IdempotencyMismatch,
        InvalidField,
        JqError,
        LeaseLost,
        NotAuthorised,
        NotFound,
        PartlyDone,
        TimedOut,
        UnknownBackend,
        UsageError,
    )
    from jq_cli.handlers.callable import Permanent, Snooze
    from jq_cli.job import Backoff, Job
    from jq_cli.job_options import JobOptions
    from jq_cli.waiting import Finished

__version__ = "0.1.0"

_LAZY = {
    "BackendQueue": "api.backend_queue", "Context": "api.backend_queue", "RedisQueue": "api.backend_queue",
    "queue_with_backend": "api.backend_queue",
    "Backend": "backends.base", "Controls": "backends.base", "QueueCounts": "backends.base",
    "Settings": "config.settings",
    "MemoryBackend": "api.constructors", "PostgresBackend": "api.constructors", "RedisBackend": "api.constructors",
    "SQLiteBackend": "api.constructors", "open_backend": "api.constructors",
    "BackendError": "errors", "BackendFull": "errors", "BackendUnreachable": "errors", "ConfigError": "errors",
    "Conflict": "errors", "IdempotencyMismatch": "errors", "InvalidField": "errors", "JqError": "errors",
    "LeaseLost": "errors", "NotAuthorised": "errors", "NotFound": "errors", "PartlyDone": "errors", "TimedOut": "errors",
    "UnknownBackend": "errors", "UsageError": "errors",
    "Permanent": "handlers.callable", "Snooze": "handlers.callable",
    "Backoff": "job", "Job": "job", "JobOptions": "job_options",
    "Queue": "api.queue", "Receipt": "api.receipt", "Store": "api.queue", "connect": "api.queue",
    "Finished": "waiting",
}  # fmt: skip

__all__ = [
    "Backend", "BackendError", "BackendFull", "BackendQueue", "BackendUnreachable", "Backoff", "ConfigError", "Conflict",
    "Context", "Controls", "Finished", "IdempotencyMismatch", "InvalidField", "Job", "JobOptions", "JqError", "LeaseLost",
    "MemoryBackend", "NotAuthorised", "NotFound", "PartlyDone", "Permanent", "PostgresBackend", "Queue", "QueueCounts", "Receipt",
    "RedisBackend", "RedisQueue", "SQLiteBackend", "Settings", "Snooze", "Store", "TimedOut", "UnknownBackend",
    "UsageError", "__version__", "connect", "open_backend", "queue_with_backend",
]  # fmt: skip


if not TYPE_CHECKING:  # a type checker would take any name for a public one

    def __getattr__(name: str) -> Any:
        # Imported when asked for: every command imports this package first, and most need none of it.
        if name not in _LAZY:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)

    def __dir__() -> list[str]:
        return sorted(__all__)
