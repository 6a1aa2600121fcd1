"""`jq requeue`: recover the jobs of dead workers now."""

from collections.abc import Sequence

import click

from jq_cli.cli import options, suggestions
from jq_cli.cli.confirm import confirm, confirm_in_production
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session, say
from jq_cli.cli.targets import Targets
from jq_cli.client import Client
from jq_cli.consumer import Consumer
from jq_cli.errors import JqError, NotFound, UsageError
from jq_cli.recovery import recover_ended
from jq_cli.roster import registered
from jq_cli.triage.bulk import Result

HELP = """Recover, now, the running jobs whose lease has ended: of the named queues, or of all. Prints how many. Each counts one
loss and is ready again in its old place. (Every worker pool does the same each second.)

With --worker: all jobs of a worker that you know to be gone, without waiting for their leases."""


@options.command("requeue", HELP)
@click.argument("queues", nargs=-1, metavar="[QUEUE]...", shell_complete=suggestions.queues)
@click.option("--worker", "workers", multiple=True, metavar="ID", help="Recover all jobs of this worker.")
@click.option("--yes", is_flag=True, help="Do not ask, even in production or when the worker still sends heartbeats.")
@pass_session
def command(session: Session, queues: tuple[str, ...], workers: tuple[str, ...], yes: bool) -> None:
    """Recover jobs."""
    if queues and workers:
        raise UsageError("name queues or workers, not both")
    confirm_in_production(session, "recover the jobs of lost workers", yes=yes)
    targets = Targets()
    with session.client() as client:
        if workers:
            recovered = sum(_recover_worker(client, worker, targets, yes=yes) for worker in workers)
        else:
            recovered = _recover_ended(client, queues, targets)
        say(f"{recovered:,} recovered (store: {client.backend.url})")
    print(recovered)
    targets.end()


def _recover_ended(client: Client, queues: Sequence[str], targets: Targets) -> int:
    recovered = 0

    def report(results: list[Result]) -> None:
        nonlocal recovered
        for result in results:
            if result.error is not None:
                targets.failed(result.error)
            else:
                recovered += 1

    for each in client.look(queues) if queues else client.counts():
        if isinstance(each, NotFound):
            targets.failed(each)
        else:
            recover_ended(client, each, report)
            targets.done += 1
    return recovered


def _recover_worker(client: Client, worker: str, targets: Targets, *, yes: bool) -> int:
    known = {each.id: each for each in registered(client.backend)}
    held = len(client.backend.held(worker))
    if worker not in known and not held:
        targets.failed(_no_worker(worker, list(known)))
        return 0
    if worker in known and not known[worker].dead(client.backend.now()):
        confirm(
            f"recover what worker {worker} holds ({held:,}), though it still sends heartbeats: jobs may run twice",
            yes=yes,
        )
    targets.done += 1
    return Consumer(client.backend, keeping=client.settings.keeping).recover(worker)


def _no_worker(worker: str, known: list[str]) -> JqError:
    from difflib import get_close_matches

    near = get_close_matches(worker, known, n=3)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    return NotFound(f"no such worker: {worker}{hint}")
