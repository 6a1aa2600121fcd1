"""Settings: what the configuration file, the environment and the flags come to, as plain frozen records.

`config.load` makes them. `Settings.sources` tells for each value that is not a built-in default where it came from.
"""

from functools import lru_cache
from typing import Any, Literal

import msgspec

from jq_cli.backends.base import Backend
from jq_cli.backends.registry import open_backend
from jq_cli.cron.schedule import Schedule
from jq_cli.draft import MAX_PAYLOAD
from jq_cli.errors import UnknownBackend
from jq_cli.handlers.spec import HandlerSpec
from jq_cli.job import Backoff
from jq_cli.lifecycle import Keeping
from jq_cli.store_url import mask_url

VISIBILITY = (1, 86_400)
"""The least and the most seconds for which a client without heartbeats may claim a job."""

_keeping = lru_cache(Keeping)  # asked for with every job that ends

Keys = tuple[str, ...]
"""Where a value stands: the keys that lead to it, such as ("queues", "emails", "priority")."""


class QueueSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds for the jobs of one queue. Durations in seconds. `retention`, `retention_count` and `dlq_retention` say how
    long finished jobs are kept; the other job options are what a producer did not choose."""

    priority: int = 0
    max_retries: int = 3
    max_losses: int = 3
    delivery: Literal["at_least_once", "at_most_once"] = "at_least_once"
    backoff: Backoff = Backoff()
    timeout: float | None = None
    retention: float = 3_600.0
    retention_count: int = 1_000
    dlq_retention: float | None = None
    dedup_ttl: float | None = None
    dedup_until: Literal["ttl", "done"] = "ttl"
    idempotency_ttl: float = 86_400.0
    max_running: int | None = None
    visibility_timeout: float = 30.0
    handler: HandlerSpec | None = None


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How `jq work` runs its pool. Durations in seconds, `max_memory` in bytes."""

    processes: int = 1
    concurrency: int = 1
    shutdown_timeout: float = 25.0
    grace: float = 5.0
    max_jobs: int | None = None
    max_memory: int | None = None
    pass_backend: bool = False
    env: tuple[str, ...] = ()
    visibility_timeout: float | None = None


class BackendSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A store that has a name: its URL, where its password is kept, and options that only its backend knows."""

    url: str = ""
    password_file: str | None = None
    password_env: str | None = None
    options: dict[str, Any] = {}


class HookSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One hook: the kind, what every hook may be told, and what some kinds understand besides (see `config.hooks`). Durations in
    seconds. `options` are those of hooks from elsewhere, `given` the names of the others that the file sets."""

    kind: str = ""
    events: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    payload: bool = False
    buffer: int = 20_000
    retry_for: float = 600.0
    url: str | None = None
    password_file: str | None = None
    password_env: str | None = None
    schema: str = "jq_history"
    retention: float | None = 90 * 86_400.0
    secret_file: str | None = None
    secret_env: str | None = None
    allow_private: bool = False
    timeout: float = 10.0
    options: dict[str, Any] = {}
    given: tuple[str, ...] = ()


class Store(msgspec.Struct, frozen=True):
    """The store in use. `url` holds the password; show `shown` instead."""

    url: str
    options: dict[str, Any] = {}
    name: str | None = None

    @property
    def shown(self) -> str:
        """Its URL for people, secrets masked."""
        return mask_url(self.url)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings of one command. `queues` are merged with `defaults` already, and everything with the profile in force;
    `profiles` are the names of all there are. In `production` nothing destructive is done unasked."""

    store: Store = Store("sqlite")
    namespace: str = "jq"
    max_payload: int = MAX_PAYLOAD
    backends: dict[str, BackendSettings] = {}
    defaults: QueueSettings = QueueSettings()
    queues: dict[str, QueueSettings] = {}
    schedules: dict[str, Schedule] = {}
    worker: WorkerSettings = WorkerSettings()
    profile: str | None = None
    production: bool = False
    profiles: tuple[str, ...] = ()
    hooks: dict[str, HookSettings] = {}
    file: str | None = None
    sources: dict[Keys, str] = {}
    warnings: tuple[str, ...] = ()

    def queue(self, name: str) -> QueueSettings:
        """The settings of a queue, whether the file names it or not."""
        return self.queues.get(name, self.defaults)

    def keeping(self, name: str) -> Keeping:
        """How long finished jobs of a queue are kept."""
        queue = self.queue(name)
        return _keeping(queue.retention, queue.retention_count, queue.dlq_retention)

    def visibility_timeout(self, name: str) -> float:
        """Seconds for which a job of a queue belongs to a client that sends no heartbeat."""
        return self.worker.visibility_timeout or self.queue(name).visibility_timeout

    def handled(self) -> list[str]:
        """The queues for which the file names a handler, in its order."""
        return [name for name, queue in self.queues.items() if queue.handler is not None]

    def open(self) -> Backend:
        """The store, opened."""
        try:
            return open_backend(self.store.url, namespace=self.namespace, **self.store.options)
        except UnknownBackend as error:
            named = f"; named in {self.file}: {', '.join(self.backends)}" if self.backends else ""
            raise UnknownBackend(f"{error}{named}") from error
