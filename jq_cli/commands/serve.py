"""`jq serve`: the store over HTTP, for other programs, other hosts and the HTTP backend."""

import os
from typing import Any

import click

from jq_cli.cli import options
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session
from jq_cli.errors import UsageError

HELP = """Serve the store over HTTP until SIGTERM or Ctrl-C.

Others then need only the URL (and a token): jq --backend http://127.0.0.1:8787 enqueue emails '{"n": 1}'. Without tokens the
server listens where only this machine reaches it. ADMIN_TOKEN in the environment is a token that may do everything; jq token new
makes tokens that may do less. The server runs the maintenance of the store and fires its schedules, so delays, leases,
retention and cron need no worker.
"""


@options.command("serve", HELP)
@click.option(
    "--listen", default="127.0.0.1:8787", metavar="ADDRESS", help="HOST:PORT, PORT or unix:/path; port 0: any free."
)
@click.option(
    "--tokens", metavar="FILE", help="Who may do what; made with jq token new. Else the file that JQ_TOKENS names."
)
@click.option("--tls-cert", metavar="FILE", help="Speak TLS with this certificate (PEM, with its chain).")
@click.option("--tls-key", metavar="FILE", help="The certificate's key.")
@click.option("--client-ca", metavar="FILE", help="Let in only clients with a certificate of this authority.")
@click.option(
    "--allow-host", multiple=True, metavar="NAME", help="A further name under which the server is asked; * for any."
)
@click.option(
    "--allow-origin", multiple=True, metavar="ORIGIN", help="A web page's origin that may use it from a browser."
)
@click.option(
    "--namespaces", type=click.IntRange(1, 10_000), default=1, metavar="N", help="Serve up to N; 1: only its own."
)
@click.option("--no-maintenance", is_flag=True, help="Leave the maintenance tick to workers.")
@click.option("--no-cron", is_flag=True, help="Fire no schedules; leave them to workers or jq cron run.")
@click.option("--access-log", default="-", metavar="FILE|-|none", help="One JSON object a request; - is stderr.")
@pass_session
def command(session: Session, /, **given: Any) -> None:
    """Check everything that can be checked, listen, serve."""
    try:
        from jq_cli.server.start import Plan, serve
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("jq_cli"):
            raise
        raise UsageError(f"jq serve needs the module {error.name!r}: pip install 'jq-cli[server]'") from error
    given["tokens"] = given["tokens"] or os.environ.get("JQ_TOKENS")
    plan = Plan(**given, admin_token=os.environ.get("ADMIN_TOKEN"))
    raise SystemExit(serve(session.settings, plan))
