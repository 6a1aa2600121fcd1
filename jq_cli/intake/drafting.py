"""Builds drafts: a queue's settings, what the command says, and what a line or a call adds, in this order; later ones win."""

from array import array
from collections.abc import Callable, Sequence
from copy import copy
from typing import Any

import msgspec
from msgspec.structs import replace

from jq_cli.config.settings import Settings
from jq_cli.draft import Draft, Line, check_depth, json_problem, make_draft, parse_payload, seconds
from jq_cli.durations import format_duration, format_moment
from jq_cli.errors import InvalidField
from jq_cli.ids import new_id
from jq_cli.job import Backoff, Job

_PLAIN = ("priority", "max_retries", "max_losses", "backoff", "dedup_key", "idempotency_key", "headers")
_SECONDS = ("timeout", "retention", "dedup_ttl", "idempotency_ttl")
_WORDS = {"delivery": ("at_least_once", "at_most_once"), "dedup_until": ("ttl", "done")}
_BLANK = msgspec.Raw(b"null")
_FAR = 1e12


class _Bare(msgspec.Struct, forbid_unknown_fields=True):
    """The commonest line, decoded in a third of the time that `Line` takes."""

    payload: msgspec.Raw


_decode_bare = msgspec.json.Decoder(_Bare).decode
_decode_line = msgspec.json.Decoder(Line).decode
_decode_any = msgspec.json.Decoder().decode


class Drafter:
    """Makes drafts for one queue. `given` holds the options that all of them share; its payload is ignored."""

    def __init__(self, settings: Settings, queue: str, given: Line | None = None) -> None:
        self.queue = queue
        self._limit = settings.max_payload
        template = _queue_template(settings, queue)
        self._template = template if given is None else _overlaid(template, given)

    def sharing(self, given: Line) -> "Drafter":
        """A drafter for the same queue whose drafts share these options too. Raises InvalidField for the first one out of
        bounds."""
        drafter = copy(self)
        drafter._template = _overlaid(self._template, given)
        return drafter

    def plain(self, payload: bytes, id: str | None = None) -> Draft:
        """A draft of a checked payload with nothing but the shared options."""
        template = self._template
        job = replace(template.job, id=id or new_id(), payload=payload)
        if id is not None or job.idempotency_key is not None:
            return make_draft(job, delay=template.delay, expires_in=template.expires_in)
        return Draft(job, template.delay, template.expires_in)

    def several(self, payloads: Sequence[bytes]) -> list[Draft]:
        """As `plain` for each of some payloads, where no idempotency key is shared."""
        job, delay, expires_in = self._template.job, self._template.delay, self._template.expires_in
        return [
            Draft(replace(job, id=id, payload=payload), delay, expires_in)
            for id, payload in zip(new_id.several(len(payloads)), payloads, strict=True)
        ]

    def from_line(self, line: Line) -> Draft:
        """A draft of a line with options of its own. Raises InvalidField for the first one out of bounds."""
        payload = check_payload(line.payload, self._limit)
        job = replace(self._template.job, payload=payload)
        return _overlaid(replace(self._template, job=job), line)


class LineDrafter:
    """Makes drafts of NDJSON lines. With `queue` None each line names its own. `raw`: each line is a payload, nothing else;
    `as_text`: and is stored as a string, whatever it looks like. While `given_ids` is an array, the hashes of the ids that
    lines bring (with their queues) are added to it."""

    def __init__(
        self, settings: Settings, queue: str | None, given: Line, *, raw: bool = False, as_text: bool = False
    ) -> None:
        self._settings = settings
        self._given = given
        self._queue = queue
        self._drafters: dict[str, Drafter] = {}
        self._limit = settings.max_payload
        self._as_text = as_text
        self.given_ids: array[int] | None = None
        if raw and queue is None:
            raise InvalidField("queue", "bare payloads need a queue named by the command")
        self.draft: Callable[[bytes], Draft] = self._raw if raw else self._object
        self.check: Callable[[bytes], object] = self._raw if raw else self._check_object
        if queue is not None:
            self._default = self._drafter(queue)

    def _raw(self, line: bytes) -> Draft:
        return self._default.plain(parse_payload(line, as_text=self._as_text, limit=self._limit))

    def _object(self, text: bytes) -> Draft:
        payload = self._bare(text)
        return self._full(text) if payload is None else self._default.plain(payload)

    def _check_object(self, text: bytes) -> None:
        # The same checks without the cost of an id and a draft that nobody sends.
        if self._bare(text) is None:
            self._full(text)

    def _bare(self, text: bytes) -> bytes | None:
        """The checked payload of a line that has no other field, for a queue that the command names."""
        if self._queue is None:
            return None
        try:
            payload = _decode_bare(text).payload
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None  # it has more fields, or a mistake that the full decoder names
        return check_payload(payload, self._limit)

    def _full(self, text: bytes) -> Draft:
        line = decode_line(text)
        draft = self._drafter(self._queue_of(line)).from_line(line)
        if line.id is not None and self.given_ids is not None:
            self.given_ids.append(id_hash(draft))
        return draft

    def _queue_of(self, line: Line) -> str:
        if line.queue is None and self._queue is None:
            raise InvalidField("queue", "missing; name it in the line or in the command")
        if line.queue is not None and self._queue is not None and line.queue != self._queue:
            raise InvalidField("queue", "the command names a queue already; leave it out of one of the two")
        return line.queue if self._queue is None and line.queue is not None else str(self._queue)

    def _drafter(self, queue: str) -> Drafter:
        if queue not in self._drafters:
            self._drafters[queue] = Drafter(self._settings, queue, self._given)
        return self._drafters[queue]


def id_hash(draft: Draft) -> int:
    """64 bits that stand for a draft's queue and id within this process."""
    return hash((draft.job.queue, draft.job.id)) & 0xFFFF_FFFF_FFFF_FFFF


def decode_line(text: bytes) -> Line:
    """One line of NDJSON. Raises InvalidField that says what is wrong with it; its field is `line` when it is none of them."""
    try:
        return _decode_line(text)
    except msgspec.ValidationError as error:
        problem, _, field = str(error).partition(" - at `$")
        told = problem.replace("Object", "the object").lower() + _near(problem)
        raise InvalidField(field.strip(".`") or "line", told) from None
    except RecursionError:
        raise InvalidField("line", "nests too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidField("line", json_problem(text, error)) from None


def _near(problem: str) -> str:
    """For a field that there is not, one that was probably meant."""
    _, unknown, name = problem.partition("unknown field `")
    if not unknown:
        return ""
    from difflib import get_close_matches

    near = get_close_matches(name.rstrip("`"), Line.__struct_fields__, n=1)
    return f"; did you mean `{near[0]}`?" if near else ""


def check_payload(payload: msgspec.Raw, limit: int) -> bytes:
    """A payload's JSON as bytes of its own. Raises InvalidField when it is too large, too deep or not JSON."""
    encoded = bytes(payload)
    if len(encoded) > limit:
        raise InvalidField("payload", f"{len(encoded):,} bytes are more than the {limit:,} allowed (max_payload)")
    check_depth(encoded)
    try:
        _decode_any(encoded)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidField("payload", json_problem(encoded, error)) from None
    return encoded


def delayed_until(line: Line, at: int, now: int) -> Line:
    """The same options with the delay that ends at a moment. Raises InvalidField when it has passed."""
    if at < now:
        raise InvalidField("at", f"{format_moment(at)} is {format_duration(now - at)} in the past")
    return replace(line, delay=(at - now) / 1_000)


def parse_backoff(text: str) -> Backoff:
    """The backoff in `base[,factor[,cap[,jitter]]]`, such as `1s` or `1s,2,1h,0.1`."""
    parts = text.split(",")
    if len(parts) > 4:
        raise InvalidField("backoff", f"{text[:60]!r} has more parts than base,factor,cap,jitter")
    readers: dict[str, Callable[[str], float]] = {
        "base": lambda part: seconds(part, "backoff"),
        "factor": lambda part: _number(part, "factor"),
        "cap": lambda part: seconds(part, "backoff"),
        "jitter": lambda part: _number(part, "jitter"),
    }
    return Backoff(**{name: readers[name](part) for name, part in zip(readers, parts, strict=False)})


def parse_header(text: str) -> tuple[str, str]:
    """The header in `KEY=VALUE`."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise InvalidField("header", f"expected KEY=VALUE, got {text[:60]!r}")
    return name, value


def _queue_template(settings: Settings, queue: str) -> Draft:
    config = settings.queue(queue)
    return make_draft(
        Job(
            id=new_id(),
            queue=queue,
            payload=b"null",
            priority=config.priority,
            max_retries=config.max_retries,
            max_losses=config.max_losses,
            delivery=config.delivery,
            backoff=config.backoff,
            timeout=config.timeout,
            dedup_ttl=config.dedup_ttl,
            dedup_until=config.dedup_until,
            idempotency_ttl=config.idempotency_ttl,
        )
    )


def _overlaid(template: Draft, line: Line) -> Draft:
    changed: dict[str, Any] = {"id": new_id() if line.id is None else line.id}
    for name in _PLAIN:
        if (value := getattr(line, name)) is not None:
            changed[name] = value
    for name in _SECONDS:
        if (value := getattr(line, name)) is not None:
            changed[name] = seconds(value, name)
    for name, words in _WORDS.items():
        if (value := getattr(line, name)) is not None:
            changed[name] = _word(name, value, words)
    delay = template.delay if line.delay is None else _milliseconds(line.delay, "delay")
    expires_in = template.expires_in if line.ttl is None else _milliseconds(line.ttl, "ttl")
    return make_draft(replace(template.job, **changed), delay=delay, expires_in=expires_in)


def _milliseconds(value: str | float, field: str) -> int:
    return round(max(-_FAR, min(seconds(value, field), _FAR)) * 1_000)


def _word(name: str, value: str, words: tuple[str, ...]) -> str:
    if value not in words:
        raise InvalidField(name, f"expected {' or '.join(words)}, got {value[:40]!r}")
    return value


def _number(text: str, name: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidField("backoff", f"{name} must be a number, got {text[:40]!r}") from None
