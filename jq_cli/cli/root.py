"""The root command: the table of commands, and how errors become exit codes.

How a command is written
- One module in `jq_cli/commands/` for each command, with an object `command`; it is imported only when the command runs.
  The table below holds its name, section and one-line help, so that the root's help imports none.
- `@command("len", "Help.")` from `jq_cli.cli.options` adds the global options (`--backend`, `--namespace`, `--config`,
  `--color`, `--debug`), which may stand before or after the command's name.
- `@pass_session` hands over the `Session`: `session.settings`, `session.open()` for the store, `session.client()` for what
  operators do. Messages go through `session.say`, data through `jq_cli.view.output`.
- A command raises `JqError` for what people should read; this file turns it into a message and `exit_code`. To end with
  another code without a message, raise `SystemExit(code)`.
"""

import signal
import sys
from collections.abc import Sequence

import click

from jq_cli import __version__
from jq_cli.cli.interrupts import Interrupted
from jq_cli.cli.lazy_group import Entry, LazyGroup
from jq_cli.cli.session import Session, say
from jq_cli.errors import JqError

SECTIONS: dict[str, dict[str, Entry]] = {
    "Put work in": {
        "enqueue": ("jq_cli.commands.enqueue", "Put one job on a queue, or many from NDJSON."),
        "run": ("jq_cli.commands.run", "Put one job on a queue and wait for its end."),
    },
    "Do work": {
        "work": ("jq_cli.commands.work", "Run a pool of workers."),
    },
    "Look": {
        "ls-queues": ("jq_cli.commands.ls_queues", "List the queues with their counts."),
        "len": ("jq_cli.commands.len", "Show how many jobs a queue holds."),
        "ls": ("jq_cli.commands.ls", "List the jobs of a queue."),
        "show": ("jq_cli.commands.show", "Show everything about a job."),
        "wait": ("jq_cli.commands.wait", "Wait for jobs to end."),
        "history": ("jq_cli.commands.history", "Show what happened to jobs."),
        "queue": ("jq_cli.commands.queue", "Show a queue in full, or limit it."),
        "workers": ("jq_cli.commands.workers", "List the workers."),
        "stats": ("jq_cli.commands.stats", "Show what queues did, in all and each second."),
    },
    "Change": {
        "promote": ("jq_cli.commands.promote", "Run scheduled jobs now."),
        "requeue": ("jq_cli.commands.requeue", "Recover the jobs of dead workers now."),
        "cancel": ("jq_cli.commands.cancel", "End jobs that have not ended."),
        "rm": ("jq_cli.commands.rm", "Remove jobs for good."),
        "edit": ("jq_cli.commands.edit", "Change the payload or the options of jobs."),
        "dlq": ("jq_cli.commands.dlq", "Look at, edit, requeue or purge dead jobs."),
        "pause": ("jq_cli.commands.pause", "Stop handing out the jobs of a queue."),
        "resume": ("jq_cli.commands.resume", "Hand out the jobs of a queue again."),
    },
    "Recur": {
        "cron": ("jq_cli.commands.cron", "Make jobs by the clock: schedules."),
    },
    "Run it": {
        "check": ("jq_cli.commands.check", "Check that queues are within limits."),
        "serve": ("jq_cli.commands.serve", "Serve the store over HTTP."),
        "token": ("jq_cli.commands.token", "Make tokens for jq serve."),
        "config": ("jq_cli.commands.config", "Show or check the configuration."),
        "db": ("jq_cli.commands.db", "Make, show and upgrade the tables of a store."),
        "backends": ("jq_cli.commands.backends", "List the kinds of stores and the one in use."),
    },
    "Measure": {
        "bench": ("jq_cli.commands.bench", "Measure a store and the pool of workers on it."),
    },
}
"""Command to (module, one-line help), by section of the root's help."""


def _install_completion(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value:
        from jq_cli.cli.completion import install

        install(value)
        context.exit()


def _make_root() -> LazyGroup:
    return LazyGroup(
        "jq",
        help="A job queue that operators drive from the command line. Also installed as jobq.",
        params=[
            click.Option(
                ["--install-completion"],
                type=click.Choice(["auto", "bash", "zsh", "fish"]),
                is_flag=False,
                flag_value="auto",
                expose_value=False,
                is_eager=True,
                callback=_install_completion,
                help="Install completion for your shell, or for the one named.",
            ),
        ],
        context_settings={"help_option_names": ["-h", "--help"]},
        no_args_is_help=True,
        sections=SECTIONS,
    )


root = click.version_option(__version__, prog_name="jq", message="%(prog)s %(version)s")(_make_root())


def run(args: Sequence[str]) -> int:
    """Run one command line and give its exit code. Says on stderr what went wrong."""
    session = Session()
    try:
        code = _complete(args[1:], session) if args[:1] == ["__complete"] else _invoke(args, session)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except BrokenPipeError:
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt as error:
        return error.code if isinstance(error, Interrupted) else 128 + signal.SIGINT
    except Exception as error:
        return _failed(error, session)


def _invoke(args: Sequence[str], session: Session) -> int:
    try:
        with root.make_context("jq", list(args), obj=session) as context:
            root.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


def _complete(words: Sequence[str], session: Session) -> int:
    from jq_cli.cli.completion import answer

    print("\n".join(answer(root, session, words)))
    return 0


def _failed(error: Exception, session: Session) -> int:
    if session.debug:
        import traceback

        traceback.print_exc()
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        print(error.format_message(), file=sys.stderr)
        return error.exit_code
    if isinstance(error, JqError | click.ClickException):
        say(_usage(error) if isinstance(error, click.ClickException) else str(error))
        return error.exit_code
    if isinstance(error, OSError) and error.strerror:
        say(f"{error.filename or 'output'}: {error.strerror}")
    else:
        say(f"unexpected {type(error).__name__}: {error} (--debug shows where)")
    return int(getattr(error, "exit_code", 1))


def _usage(error: click.ClickException) -> str:
    message = error.format_message().strip()
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "jq"
    return f"{message[:1].lower()}{message[1:].rstrip('.')}; see {path} --help"
