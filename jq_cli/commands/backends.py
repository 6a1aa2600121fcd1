"""`jq backends`: the kinds of stores that can be opened, those the configuration names, and the one in use."""

from collections.abc import Iterator

from jq_cli.backends.registry import DEFAULT_URLS, known, scheme_of
from jq_cli.cli import options
from jq_cli.cli.listing_options import listing_options
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session
from jq_cli.config.settings import Settings
from jq_cli.store_url import mask_url
from jq_cli.view.output import Answer, Form, Listing, show
from jq_cli.view.records import Record

FIELDS = ("name", "url", "source", "in_use")
LISTING = Listing(fields=FIELDS, columns=FIELDS, id="name", whole=frozenset({"name"}))


@options.command("backends", "List the kinds of stores, those the configuration names, and which one is in use.")
@listing_options()
@pass_session
def command(session: Session, form: Form) -> None:
    """Print one record for each; nothing is opened."""
    settings = session.settings
    show(LISTING, lambda: Answer(_records(settings), 0), form)


def _records(settings: Settings) -> Iterator[Record]:
    used = settings.store
    for name, backend in settings.backends.items():
        source = settings.sources.get(("backends", name), "")
        yield _record(name, mask_url(backend.url), source, name == used.name)
    for scheme, source in known().items():
        in_use = used.name is None and scheme_of(used.url) == scheme
        yield _record(scheme, used.shown if in_use else DEFAULT_URLS.get(scheme, f"{scheme}://"), source, in_use)


def _record(name: str, url: str, source: str, in_use: bool) -> Record:
    return {"name": name, "url": url, "source": source, "in_use": in_use}
