"""A hook: how it is configured, what it must do, and where it is found."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

import msgspec

from jq_cli.errors import UsageError
from jq_cli.hooks.event import Event

GROUP = "jq_cli.hooks"
"""The entry-point group of hooks from elsewhere: name = "module:function" that takes the options and gives a Hook."""

BUILT_IN = {
    "history": "jq_cli.hooks.history.writer:make_history",
    "webhook": "jq_cli.hooks.webhook:make_webhook",
}


class HookSpec(msgspec.Struct, frozen=True):
    """One hook of the configuration. Without `events` it is told all, without `queues` (patterns such as `mail-*`) those of
    every queue. `buffer`: events that may wait for it; `retry_for`: seconds for which a delivery that fails is tried again.
    What only its kind understands is in `options`; secrets are resolved, so a spec is never shown."""

    name: str
    kind: str
    events: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    payload: bool = False
    buffer: int = 20_000
    retry_for: float = 600.0
    options: dict[str, Any] = {}


class Undeliverable(Exception):
    """Raised by a hook for events that it will not take however often they are offered: they are dropped and counted."""


class Hook(Protocol):
    """Delivers events. Called by one thread of a process that does nothing else, so it may block; what it raises is counted
    and shown, and the same events are offered again after a pause."""

    def deliver(self, events: Sequence[Event]) -> None:
        """Deliver a batch, in order. After an exception it is offered again, whole."""

    def close(self) -> None:
        """Nothing more will come."""


def load(spec: HookSpec) -> Hook:
    """The hook, ready to be called. Raises UsageError when there is none of its kind or it refuses its options."""
    try:
        module, _, function = check_kind(spec).partition(":")
        make: Callable[[Mapping[str, Any]], Hook] = getattr(import_module(module), function)
    except ModuleNotFoundError as error:
        raise UsageError(f"hook {spec.name} needs the module {error.name!r}: pip install {error.name}") from error
    return make(spec.options)


def check_kind(spec: HookSpec) -> str:
    """Where the hook's kind is found. Raises UsageError when there is none such."""
    target = known().get(spec.kind)
    if target is None:
        raise UsageError(f"hook {spec.name}: unknown kind {spec.kind!r}; known: {', '.join(sorted(known()))}")
    if spec.kind == "history" and find_spec("psycopg") is None:
        raise UsageError(f"hook {spec.name} needs the module 'psycopg': pip install 'jq-cli[postgres]'")
    return target


def known() -> dict[str, str]:
    """Every kind of hook there is here, with where it comes from."""
    from importlib.metadata import entry_points

    return {point.name: point.value for point in entry_points(group=GROUP)} | BUILT_IN
