"""`jq config check`: everything that is wrong with the configuration, at once."""

from jq_cli.backends.registry import known, scheme_of
from jq_cli.cli import options
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session, say
from jq_cli.errors import ConfigError


@options.command(
    "check", "Report everything that is wrong with the configuration file, the environment and the options."
)
@pass_session
def command(session: Session) -> None:
    """Load everything, open nothing."""
    settings = session.settings
    problems = [
        f"no such backend: {scheme_of(url)!r}; known: {', '.join(sorted(known()))} ({where})"
        for where, url in [
            ("backend", settings.store.url),
            *((f"backends.{n}", b.url) for n, b in settings.backends.items()),
        ]
        if scheme_of(url) not in known()
    ]
    if problems:
        raise ConfigError("\n".join(problems))
    say(f"{settings.file or 'no configuration file'}: ok (store: {settings.store.shown})")
