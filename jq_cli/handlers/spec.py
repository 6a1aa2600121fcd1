"""A handler as the worker's own configuration names it. A job can never choose one: it brings data, not code."""

from collections.abc import Mapping
from importlib import import_module
from typing import Literal, Protocol

import msgspec

from jq_cli.errors import UsageError
from jq_cli.task import Done, Task


class HandlerSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which handler: `argv` of a command, a `line` for `sh -c`, a `target` `package.module:function`, a `url` to POST to, echo.

    secret_env, secret_file   where the secret that signs requests is kept; `secret` is what stands there
    allow_private             the URL may lead into private networks, and may be plain http
    answer_within             seconds that a request may take, connecting and answer included
    """

    kind: Literal["command", "shell", "call", "post", "echo"]
    argv: tuple[str, ...] = ()
    line: str = ""
    target: str = ""
    url: str = ""
    secret_env: str = ""
    secret_file: str = ""
    secret: str = ""
    allow_private: bool = False
    answer_within: float = 30.0


class HandlerOptions(msgspec.Struct, frozen=True):
    """What every handler of a pool shares: seconds between SIGTERM and SIGKILL, and the backend URL to hand on, if any."""

    grace: float = 5.0
    pass_backend: str | None = None


class Context(Protocol):
    """What a running handler may ask its child process for."""

    def stop_requested(self) -> bool:
        """Whether the parent wants the running execution stopped."""

    def live(self, id: str, record: bytes) -> None:
        """Show output and progress (JSON) of a running execution."""


class Handler(Protocol):
    """Runs one task to its end. Never raises, whatever the task does."""

    def run(self, task: Task, context: Context) -> Done:
        """The outcome of one execution."""


_MODULES = {
    "command": "jq_cli.handlers.command:make_command",
    "shell": "jq_cli.handlers.command:make_shell",
    "call": "jq_cli.handlers.callable:make_callable",
    "post": "jq_cli.handlers.webhook:make_webhook",
    "echo": "jq_cli.handlers.echo:make_echo",
}


def load(spec: HandlerSpec, options: HandlerOptions) -> Handler:
    """The handler, ready to run. Raises UsageError when it does not exist (no such program, module or function)."""
    module, _, function = _MODULES[spec.kind].partition(":")
    handler: Handler = getattr(import_module(module), function)(spec, options)
    return handler


def check(spec: HandlerSpec, env: Mapping[str, str]) -> None:
    """Raises UsageError for a command that does not exist or a URL that must not be asked, before the first job is claimed."""
    import shutil

    if spec.kind == "command":
        if not spec.argv:
            raise UsageError("the handler's command is empty")
        if shutil.which(spec.argv[0], path=env.get("PATH")) is None:
            raise UsageError(f"no such program: {spec.argv[0]!r}")
    if spec.kind == "call" and ":" not in spec.target:
        raise UsageError(f"{spec.target!r} names no callable; write package.module:function")
    if spec.kind == "post":
        load(spec, HandlerOptions())
