"""What the URL and the options of a memory store may say: nothing."""

from jq_cli.errors import UsageError


def read_address(_url: str, options: dict[str, object]) -> None:
    """Raises UsageError for any option: there is none."""
    if options:
        raise UsageError(f"memory://: unknown option {next(iter(options))!r}; known: none")
