"""jq: a job queue that operators drive from the command line, with one behaviour on every store.

For handlers: raise `Permanent` when trying again cannot help, `Snooze(seconds)` to run again later.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jq_cli.handlers.callable import Permanent, Snooze

__version__ = "0.1.0"
__all__ = ["Permanent", "Snooze", "__version__"]

_LAZY = {"Permanent": "jq_cli.handlers.callable", "Snooze": "jq_cli.handlers.callable"}


def __getattr__(name: str) -> Any:
    # Imported when asked for: every command imports this package first, and most need none of it.
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)
