"""`jq config show`: every setting, its value and where it comes from. Secrets are masked."""

from collections.abc import Iterator
from typing import Any

import msgspec

from jq_cli.cli import options
from jq_cli.cli.listing_options import listing_options
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session
from jq_cli.config.kinds import format_size
from jq_cli.config.schema import POST
from jq_cli.config.settings import HookSettings, Keys, Settings
from jq_cli.cron.schedule import Schedule
from jq_cli.durations import format_duration
from jq_cli.handlers.spec import HandlerSpec
from jq_cli.store_url import mask_option, mask_url
from jq_cli.view.output import DURATIONS, Answer, Form, Listing, show
from jq_cli.view.records import Record

FIELDS = ("key", "value", "source")
SHOWN = tuple(field for field in HookSettings.__struct_fields__ if field not in ("options", "given", "kind"))
LISTING = Listing(fields=FIELDS, columns=FIELDS, id="key", whole=frozenset({"key"}))


_PLAIN = HandlerSpec("post")
_SECONDS = DURATIONS | {"dlq_retention", "base", "cap", "shutdown_timeout", "grace", "retry_for"}
_BYTES = frozenset({"max_payload", "max_memory"})


@options.command(
    "show", "Show every setting, its value and where it comes from: default, file and line, variable or option."
)
@listing_options()
@pass_session
def command(session: Session, form: Form) -> None:
    """Print one record for each setting."""
    settings = session.settings
    as_typed = form.kind not in ("json", "jsonl")
    show(LISTING, lambda: Answer(_records(settings, as_typed=as_typed), 0), form)


def _records(settings: Settings, *, as_typed: bool) -> Iterator[Record]:
    for keys, value in _leaves(settings):
        shown = _typed(keys[-1], value) if as_typed else value
        yield {"key": ".".join(keys), "value": shown, "source": settings.sources.get(keys, "default")}


def _typed(key: str, value: Any) -> Any:
    """The value in the form in which the file may hold it."""
    if value is not None and key in _SECONDS:
        return format_duration(value * 1_000)
    return format_size(value) if value is not None and key in _BYTES else value


def _leaves(settings: Settings) -> Iterator[tuple[Keys, Any]]:
    yield ("backend",), settings.store.name or settings.store.shown
    yield ("namespace",), settings.namespace
    yield from _set((), {"profile": settings.profile, "production": settings.production or None})
    yield ("max_payload",), settings.max_payload
    for name, backend in settings.backends.items():
        yield ("backends", name, "url"), mask_url(backend.url)
        yield from _set(
            ("backends", name), {"password_file": backend.password_file, "password_env": backend.password_env}
        )
        yield from _set(("backends", name), {o: mask_option(o, value) for o, value in backend.options.items()})
    yield from _walk(("defaults",), settings.defaults)
    for name, queue in settings.queues.items():
        yield from _walk(("queues", name), queue)
    for name, schedule in settings.schedules.items():
        yield from _set(("schedules", name), _schedule(schedule))
    yield from _walk(("worker",), settings.worker)
    for name, hook in settings.hooks.items():
        yield from _hook(name, hook)


def _hook(name: str, hook: HookSettings) -> Iterator[tuple[Keys, Any]]:
    """What the hook was told; a URL may hold a password or a token."""
    told = {field: getattr(hook, field) for field in ("kind", *SHOWN) if field in ("kind", *hook.given)}
    if hook.url:
        told["url"] = mask_url(hook.url) if hook.kind == "history" else hook.url.partition("?")[0]
    yield from _set(("hooks", name), told | {o: mask_option(o, value) for o, value in hook.options.items()})


def _set(keys: Keys, values: dict[str, Any]) -> Iterator[tuple[Keys, Any]]:
    yield from (((*keys, name), value) for name, value in values.items() if value is not None)


def _walk(keys: Keys, settings: msgspec.Struct) -> Iterator[tuple[Keys, Any]]:
    for name in settings.__struct_fields__:
        value = getattr(settings, name)
        if name == "backoff":
            yield from _walk((*keys, name), value)
        else:
            yield (*keys, name), _handler(value) if name == "handler" else value


def _schedule(schedule: Schedule) -> dict[str, Any]:
    fields = {field: getattr(schedule, field) for field in schedule.__struct_fields__ if field != "name"}
    return fields | {"backoff": schedule.backoff and msgspec.structs.asdict(schedule.backoff)}


def _handler(spec: HandlerSpec | None) -> Any:
    if spec is None or spec.kind == "echo":
        return spec and "echo"
    if spec.kind == "post":
        kept = {name: value for name in POST if (value := getattr(spec, name)) != getattr(_PLAIN, name)}
        return {"post": kept if len(kept) > 1 else spec.url}
    return {spec.kind: spec.argv or spec.line or spec.target}
