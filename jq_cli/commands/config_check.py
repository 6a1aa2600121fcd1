"""`jq config check`: everything that is wrong with the configuration, at once."""

from collections.abc import Iterator
from typing import Any

from jq_cli.backends.registry import check_options, known, scheme_of
from jq_cli.cli import options
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session, say
from jq_cli.config.settings import Keys, Settings
from jq_cli.errors import ConfigError, UsageError


@options.command(
    "check", "Report everything that is wrong with the configuration file, the environment and the options."
)
@pass_session
def command(session: Session) -> None:
    """Load everything, open nothing."""
    settings = session.settings
    problems = [
        f"{problem} ({'.'.join(keys)}, {_source(settings, keys)})"
        for keys, url, given in _stores(settings)
        for keys, problem in _problems(keys, url, given)
    ]
    if problems:
        raise ConfigError("\n".join(problems))
    say(f"{settings.file or 'no configuration file'}: ok (store: {settings.store.shown})")


def _stores(settings: Settings) -> Iterator[tuple[Keys, str, dict[str, Any]]]:
    """The store in use, unless it is one of those that have a name, and those."""
    if settings.store.name is None:
        yield ("backend",), settings.store.url, settings.store.options
    for name, backend in settings.backends.items():
        yield ("backends", name), backend.url, backend.options


def _problems(keys: Keys, url: str, given: dict[str, Any]) -> Iterator[tuple[Keys, str]]:
    if scheme_of(url) not in known():
        yield keys, f"no such backend: {scheme_of(url)!r}; known: {', '.join(sorted(known()))}"
        return
    problem = _problem(url, given)
    if problem is None:
        return
    # Each option by itself, to name the line of every one that is wrong; what is wrong without any is the URL's.
    bare = _problem(url, {})
    alone = {name: _problem(url, {name: value}) for name, value in given.items()}
    wrong = {name: said for name, said in alone.items() if said not in (None, bare)}
    for name, said in wrong.items():
        yield (*keys, name), str(said)
    if not wrong:
        yield (*keys, "url") if len(keys) > 1 else keys, problem


def _problem(url: str, given: dict[str, Any]) -> str | None:
    try:
        check_options(url, given)
    except UsageError as error:
        return str(error)
    return None


def _source(settings: Settings, keys: Keys) -> str:
    """Where a value comes from: that of the nearest level that the file or the environment names."""
    levels = (keys[:depth] for depth in range(len(keys), 0, -1))
    return next((source for level in levels if (source := settings.sources.get(level))), "default")
