"""The webhook handler: POSTs each job to a URL of the worker's configuration; the answer decides."""

import re
import time
from collections.abc import Callable

from jq_cli.handlers.spec import Context, HandlerOptions, HandlerSpec
from jq_cli.post.request import Answer, Unanswered, post
from jq_cli.post.signature import keys_of, signed
from jq_cli.post.target import Forbidden, Target
from jq_cli.task import Done, Task

TRANSIENT = frozenset({408, 425, 429})
"""Answers below 500 that may be different another time."""

LONGEST_WAIT = 86_400_000
"""Ms of a Retry-After that are believed: a day."""

_UNSAFE = re.compile(r"[^ -~]")
_HEADER = re.compile(r"[^A-Za-z0-9-]")


class WebhookHandler:
    """The payload is the body, the job's fields are headers. 2xx succeeded; 408, 425, 429, 5xx and redirects failed, with
    Retry-After as the least delay; other 4xx are dead at once, as the receiver will not take the job however often it is sent."""

    def __init__(self, target: Target, keys: list[bytes], timeout: float, send: Callable[..., Answer] = post) -> None:
        self._target = target
        self._keys = keys
        self._timeout = timeout
        self._send = send

    def run(self, task: Task, context: Context) -> Done:
        """POST one job."""
        headers = headers_of(task)
        if self._keys:
            headers |= signed(self._keys, task.id, int(time.time()), task.payload)
        try:
            timeout = min(self._timeout, task.timeout or self._timeout)
            answer = self._send(self._target, task.payload, headers, timeout=timeout)
        except (Unanswered, Forbidden) as error:
            return Done(task.id, "failed", error=str(error))
        return _judged(task, answer)


def headers_of(task: Task) -> dict[str, str]:
    """The job's fields as headers. What cannot stand in a header is escaped, so that a job can add none of its own."""
    headers = {
        "Content-Type": "application/json",
        "webhook-id": task.id,
        "Jq-Job-Id": task.id,
        "Jq-Queue": task.queue,
        "Jq-Attempt": str(task.attempt),
        "Jq-Priority": str(task.priority),
        "Jq-Enqueued-At": str(task.enqueued_at),
        "Jq-Fence": task.fence,
    }
    if task.schedule:
        headers["Jq-Schedule"] = _value(task.schedule)
    return headers | {f"Jq-Header-{_HEADER.sub('-', name)}": _value(text) for name, text in task.headers.items()}


def _value(text: str) -> str:
    return _UNSAFE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def _judged(task: Task, answer: Answer) -> Done:
    if 200 <= answer.status < 300:
        return Done(task.id, "succeeded")
    if 400 <= answer.status < 500 and answer.status not in TRANSIENT:
        return Done(task.id, "permanent", error=answer.told)
    return Done(task.id, "failed", error=answer.told, delay=min(LONGEST_WAIT, answer.retry_after))


def make_webhook(spec: HandlerSpec, options: HandlerOptions) -> WebhookHandler:
    """The handler of a `--post` URL. Raises UsageError for a URL or secret that cannot be used."""
    keys = keys_of(spec.secret) if spec.secret else []
    return WebhookHandler(Target.parse(spec.url, allow_private=spec.allow_private), keys, spec.answer_within)
