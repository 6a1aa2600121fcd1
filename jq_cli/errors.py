"""Every error the product raises on purpose, and the exit code each one ends a command with.

JqError                      1   an error with a message for people, not a bug
├── UsageError               2   wrong input, options or configuration
│   ├── InvalidField         2   a value outside its bounds; names the field and the bound
│   ├── ConfigError          2   the configuration file or environment
│   └── UnknownBackend       2   no such backend, or its driver is not installed
├── NotFound                 3   no such queue, job, schedule or worker
├── Conflict                 4   changed meanwhile, lock held
│   ├── LeaseLost            4   the job is not running under this lease any more
│   └── IdempotencyMismatch  4   the key was used with another payload
├── BackendError             1   the store answered with an error
│   ├── BackendUnreachable   5   no answer from the store; whether the call took effect is unknown
│   ├── BackendFull          1   the store is out of memory or disk; nothing was stored
│   └── NotAuthorised        6   the store or server refused the credentials
├── PartlyDone               7   some items failed; each was reported
└── TimedOut                 8   what was waited for did not happen in time; it may still
"""


class JqError(Exception):
    """Base of all errors with a message meant for people. `exit_code` is what a command ends with."""

    exit_code = 1


class UsageError(JqError):
    """The caller asked for something that cannot be done as asked."""

    exit_code = 2


class InvalidField(UsageError):
    """A value outside its bounds. The message names the field, the value and the bound."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class ConfigError(UsageError):
    """The configuration file or the environment holds something that cannot be used."""


class UnknownBackend(UsageError):
    """No backend has that name, or its driver is not installed."""


class NotFound(JqError):
    """There is no such queue, job, schedule or worker."""

    exit_code = 3


class Conflict(JqError):
    """The thing changed meanwhile, or somebody holds it."""

    exit_code = 4


class LeaseLost(Conflict):
    """The job is not running under this lease any more; nothing was changed."""


class IdempotencyMismatch(Conflict):
    """The idempotency key was used before with a different payload; nothing was stored."""


class BackendError(JqError):
    """The store answered with an error."""


class BackendUnreachable(BackendError):
    """The store did not answer. Whether the call took effect is unknown."""

    exit_code = 5


class BackendFull(BackendError):
    """The store has no room left. The refused call stored nothing."""


class NotAuthorised(BackendError):
    """The store or the server refused the credentials."""

    exit_code = 6


class PartlyDone(JqError):
    """Some of several items failed; each failure was reported on its own."""

    exit_code = 7


class TimedOut(JqError):
    """What was waited for did not happen in time. Nothing was stopped or changed: it may still happen."""

    exit_code = 8
