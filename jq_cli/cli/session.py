"""What one command run shares: the global options, the settings they lead to, and the store those name."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property

from jq_cli.backends.base import Backend
from jq_cli.client import Client
from jq_cli.config.load import Flags, load
from jq_cli.config.settings import Settings
from jq_cli.errors import BackendError
from jq_cli.tracing.switch import for_program


class Session:
    """Made once for a run and handed to every command (`jq_cli.cli.options.pass_session`)."""

    def __init__(self) -> None:
        self.flags = Flags()
        self.color = "auto"
        self.debug = False

    @cached_property
    def settings(self) -> Settings:
        """The settings in force. Says on stderr what is doubtful about them."""
        settings = load(self.flags)
        for warning in settings.warnings:
            say(f"warning: {warning}")
        return settings

    @property
    def who(self) -> str:
        """The person at the keyboard, for the records of what was done: `ada@host`."""
        import socket

        user = os.environ.get("SUDO_USER") or os.environ.get("USER") or _account()
        return f"{user}@{socket.gethostname()}"

    @property
    def where(self) -> str:
        """Words for a question about something destructive, empty outside production."""
        return f" in production (profile {self.settings.profile})" if self.settings.production else ""

    def reload(self) -> Settings:
        """The settings in force, read again. Those that were in force stay when there is a mistake."""
        self.settings = settings = load(self.flags)
        return settings

    def open(self, around: Callable[[Backend], Backend] | None = None) -> Backend:
        """The store, opened; close it, or use it as a context manager. Errors name the store. `around` puts something before the
        store itself, such as what measures its calls."""
        try:
            backend = self.settings.open()
        except BackendError as error:
            raise named(error, self.settings.store.shown) from error
        if around is not None:
            backend = around(backend)
        backend = for_program(backend, say)
        if not self.settings.hooks:
            return backend
        from jq_cli.config.hook_specs import observed

        return observed(backend, self.settings, say)

    def client(self) -> Client:
        """The store, opened, for what operators and producers do; use it as a context manager."""
        client = Client(self.open(), self.settings)
        if client.backend.url.startswith("memory:"):
            say("the memory store is empty at first and ends with this command; --backend chooses another")
        return client


def _account() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def named(error: BackendError, store: str) -> BackendError:
    """The same error with the store in its message, unless it is there already."""
    return error if store in str(error) else type(error)(f"{error} (store: {store})")


def say(message: str) -> None:
    """A message for people, on stderr, one safe line for each of its lines."""
    from jq_cli.view.safe_text import safe_text

    if sys.stderr is None:
        return
    with suppress(OSError):  # nobody reads it any more
        print("\n".join(f"jq: {safe_text(line)}" for line in message.split("\n")), file=sys.stderr, flush=True)
