"""`jq backends`: the kinds of stores that can be opened, those the configuration names, and whether the one in use works."""

from collections.abc import Iterator

import click

from jq_cli.backends.registry import DEFAULT_URLS, known, scheme_of
from jq_cli.cli import options
from jq_cli.cli.listing_options import listing_options
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session
from jq_cli.config.settings import Settings
from jq_cli.inspection import Finding, inspect
from jq_cli.store_url import mask_url
from jq_cli.view.output import Answer, Form, Listing, show
from jq_cli.view.records import Record

HELP = """List the kinds of stores, those the configuration names, and which one is in use. Nothing is opened.

With --check: open the one in use (or another with --backend) and try out whether it can be used: whether it answers, whether its
tables are there, whether it writes under a condition, as it must. Ends with 9 when it answers and cannot be used, 5 when it does
not answer, 6 when it refuses the credentials."""

FIELDS = ("name", "url", "source", "in_use")
LISTING = Listing(fields=FIELDS, columns=FIELDS, id="name", whole=frozenset({"name"}))
CHECKED = ("check", "status", "detail")
CHECKS = Listing(fields=("store", *CHECKED), columns=CHECKED, id="check", whole=frozenset(CHECKED))


@options.command("backends", HELP)
@click.option("--check", is_flag=True, help="Open the store in use and try out whether it works.")
@listing_options()
@pass_session
def command(session: Session, check: bool, form: Form) -> None:
    """Print one record for each kind and store, or for each thing that was tried; the exit code says whether it is well."""
    settings = session.settings
    if not check:
        show(LISTING, lambda: Answer(_records(settings), 0), form)
        return
    found: list[Finding] = []

    def fetch() -> Answer:
        found[:] = inspect(session.open)
        return Answer([_finding(settings.store.shown, finding) for finding in found], 0)

    show(CHECKS, fetch, form)
    if found[-1].exit_code:
        raise SystemExit(found[-1].exit_code)


def _finding(store: str, finding: Finding) -> Record:
    status = "failed" if finding.exit_code else "ok"
    return {"store": store, "check": finding.check, "status": status, "detail": finding.detail}


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
