"""`jq cron run`: a scheduler alone, until it is stopped."""

import signal

import click

from jq_cli.cli import options
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session, say
from jq_cli.cron.schedule import Schedule

HELP = """Fire all schedules until SIGTERM or Ctrl-C. Workers do the same beside their work unless told not to, so this is for
stores whose workers do not. Any number may run: each tick fires once. SIGHUP: read the configuration file again."""


@options.command("run", HELP)
@click.option("-q", "--quiet", is_flag=True, help="No message for each tick.")
@pass_session
def command(session: Session, quiet: bool) -> None:
    """Run until a signal; end with 128 and its number."""
    from jq_cli.cron.loop import SchedulerLoop
    from jq_cli.cron.scheduler import Scheduler
    from jq_cli.process.signals import Signals

    def tell(schedule: Schedule, tick: int, job: str) -> None:
        say(f"schedule {schedule.name}: job {job} on {schedule.queue}")

    with session.client() as client:
        scheduler = Scheduler(client.backend, session.settings, say=say, tell=(lambda *_: None) if quiet else tell)
        with Signals([signal.SIGTERM, signal.SIGINT, signal.SIGHUP]) as signals:
            say(f"scheduler on {client.backend.url}")
            code = SchedulerLoop(scheduler, signals, reload=session.reload, say=say).run()
    raise SystemExit(code)
