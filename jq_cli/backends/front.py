"""What stands in front of a backend and sees its calls go by: hooks, metrics, tracing."""

from typing import Any

from jq_cli.backends.base import Backend
from jq_cli.closing import Closing


class Front(Closing):
    """Takes what it does not define from the backend behind it, and passes for it."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        """The backend's, so that who asks for a particular store by `isinstance` gets the right answer."""
        return self._backend.__class__

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)
