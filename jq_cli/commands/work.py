"""`jq work`: run a pool of workers until it is stopped, or until its queues are empty."""

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import click

from jq_cli.backends.base import Backend
from jq_cli.cli.options import Command, pass_session
from jq_cli.cli.session import Session, say
from jq_cli.client import Client
from jq_cli.config.settings import Settings
from jq_cli.errors import UsageError
from jq_cli.handlers.spec import HandlerSpec
from jq_cli.worker.part import Part

QUEUE_OF_FILES = "default"
"""Where `--from` puts jobs when the command names no queue."""

SERVING = ("tls_cert", "tls_key", "client_ca", "allow_host", "access_log")
"""Options about how to serve."""


class WorkCommand(Command):
    """Everything behind `--` is the handler's command, word for word."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Take the handler's words away before options are looked for."""
        if "--" in args:
            at = args.index("--")
            context.meta["argv"] = tuple(args[at + 1 :])
            args = args[:at]
        return super().parse_args(context, args)

    def collect_usage_pieces(self, context: click.Context) -> list[str]:
        """The usage line, with the handler's command at its end."""
        return [*super().collect_usage_pieces(context), "[-- COMMAND [ARG]...]"]


def _option(*names: str, **attributes: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(*names, **attributes)


@click.command(
    "work",
    cls=WorkCommand,
    help="""Run the jobs of the named queues, or of every queue that has a handler.

    The handler is a command behind --, a --shell line, a Python callable (--call), a webhook (--post), or what the
    configuration names for the queue. A command gets the payload on stdin and JQ_* in its environment; exit code 0
    succeeds, 65 sends the job to the DLQ, 75 tries again later, anything else fails. SIGTERM or Ctrl-C: finish running
    jobs, then stop. SIGUSR1: claim no more. SIGHUP: load the handlers afresh.""",
)
@click.argument("queues", nargs=-1, metavar="[QUEUE]...")
@_option("--shell", metavar="LINE", help="Run each job through sh -c LINE.")
@_option("--call", metavar="MODULE:FUNCTION", help="Call a Python function with each payload.")
@_option("--post", metavar="URL", help="POST each payload to an https URL; its answer decides.")
@_option("--secret-env", metavar="NAME", help="With --post: the variable with the secret that signs requests.")
@_option("--secret-file", metavar="FILE", help="With --post: the file with that secret.")
@_option("--allow-private", is_flag=True, help="With --post: the URL may lead into private networks, or be plain http.")
@_option("-p", "--processes", type=click.IntRange(1, 1024), help="Child processes (default 1).")
@_option("--concurrency", type=click.IntRange(1, 10_000), help="Jobs at a time in each child, for async functions.")
@_option(
    "--until-empty", is_flag=True, help="End when nothing is ready, running or to be retried; exit 7 if jobs died."
)
@_option("--wait-scheduled", is_flag=True, help="With --until-empty: wait for delayed jobs too.")
@_option("--from", "source", metavar="FILE", help="First enqueue the jobs of an NDJSON file, or of stdin (-).")
@_option("--shutdown-timeout", metavar="DURATION", help="How long running jobs may take to end (default 25s).")
@_option("--grace", metavar="DURATION", help="Time between SIGTERM and SIGKILL of a job (default 5s).")
@_option("--max-jobs", type=click.IntRange(1), help="Replace a child after so many jobs.")
@_option("--max-memory", metavar="SIZE", help="Replace a child that uses more memory, such as 500MiB.")
@_option("--pass-backend/--no-pass-backend", default=None, help="Give handlers the store's URL as JQ_BACKEND.")
@_option(
    "--env", "env", multiple=True, metavar="NAME", help="A further environment variable, or pattern, for handlers."
)
@_option("--metrics-port", metavar="[HOST:]PORT", help="Show metrics for Prometheus there; see docs/metrics.md.")
@_option("--serve", metavar="ADDRESS", help="Also serve the store over HTTP there, as jq serve does.")
@_option("--tls-cert", metavar="FILE", help="With --serve: speak TLS with this certificate (PEM, with its chain).")
@_option("--tls-key", metavar="FILE", help="With --serve: the certificate's key.")
@_option("--client-ca", metavar="FILE", help="With --serve: let in only clients with a certificate of this authority.")
@_option(
    "--allow-host",
    multiple=True,
    metavar="NAME",
    help="With --serve: a further name under which it is asked; * for any.",
)
@_option("--access-log", metavar="FILE|-", help="With --serve: one JSON object a request; - is stderr. Else no log.")
@_option("--no-cron", is_flag=True, help="Fire no schedules; with --until-empty a worker fires none anyway.")
@_option("-q", "--quiet", is_flag=True, help="No messages about single jobs and no progress line.")
@pass_session
def command(session: Session, /, queues: tuple[str, ...], **given: Any) -> None:
    """Find the handlers, open the store, work."""
    from jq_cli.draft import check_name

    if given["source"] is not None and not queues:
        queues = (QUEUE_OF_FILES,)
    for queue in queues:
        check_name(queue)
    handlers = _handlers(session, queues, given)
    raise SystemExit(_work(session, queues, handlers, given))


def _handlers(session: Session, queues: tuple[str, ...], given: dict[str, Any]) -> dict[str, HandlerSpec]:
    """The handler of each queue; `*` stands for all others."""
    chosen = _chosen(given)
    if chosen is not None:
        return dict.fromkeys(queues or ("*",), chosen)
    settings = session.settings
    named = queues or tuple(settings.handled())
    found = {queue: spec for queue in named if (spec := settings.queue(queue).handler) is not None}
    if not queues and settings.defaults.handler is not None:
        found["*"] = settings.defaults.handler
    if settings.store.url.startswith("memory"):
        found = {**dict.fromkeys(named or ("*",), HandlerSpec("echo")), **found}
    missing = [queue for queue in queues if queue not in found]
    if missing or not found:
        what = f"queue {missing[0]!r} has no handler" if missing else "no queue has a handler"
        raise UsageError(f"{what}: give a command behind --, --shell, --call, --post, or configure queues.NAME.handler")
    return found


def _chosen(given: dict[str, Any]) -> HandlerSpec | None:
    argv = click.get_current_context().meta.get("argv")
    specs = [
        HandlerSpec("command", argv=argv) if argv is not None else None,
        HandlerSpec("shell", line=given["shell"]) if given["shell"] is not None else None,
        HandlerSpec("call", target=given["call"]) if given["call"] is not None else None,
        _post(given),
    ]
    chosen = [spec for spec in specs if spec is not None]
    if len(chosen) > 1:
        raise UsageError("give one handler: a command behind --, --shell, --call or --post")
    return chosen[0] if chosen else None


def _post(given: dict[str, Any]) -> HandlerSpec | None:
    names = ("secret_env", "secret_file", "allow_private")
    options = {name: given[name] for name in names if given[name]}
    if given["post"] is None:
        if options:
            raise UsageError(f"--{next(iter(options)).replace('_', '-')} goes with --post")
        return None
    if len(options.keys() & {"secret_env", "secret_file"}) > 1:
        raise UsageError("--secret-env and --secret-file exclude each other")
    return HandlerSpec("post", url=given["post"], **options)


def _work(session: Session, queues: tuple[str, ...], handlers: dict[str, HandlerSpec], given: dict[str, Any]) -> int:
    from jq_cli.config.secret import with_secret
    from jq_cli.consumer import Consumer
    from jq_cli.handlers.spec import check
    from jq_cli.process.environment import handler_environment
    from jq_cli.view.progress_line import ProgressLine
    from jq_cli.worker.worker import Worker

    settings = session.settings
    env = handler_environment(os.environ, (*settings.worker.env, *given["env"]))
    handlers = {queue: with_secret(spec, os.environ) for queue, spec in handlers.items()}
    for spec in handlers.values():
        check(spec, env)
    options = _options(session, queues, given)
    progress = ProgressLine(sys.stderr, shown=not given["quiet"])
    _check_hooks(settings)
    with ExitStack() as opened:
        beside = _beside(settings, given, opened)
        backend = opened.enter_context(session.open(beside.around if beside else None))
        if given["source"] is not None:
            _enqueue(session, backend, queues, given["source"])
        consumer = Consumer(backend, keeping=settings.keeping)
        worker = Worker(
            consumer,
            handlers,
            options,
            env=env,
            say=(lambda _text: None) if given["quiet"] else progress.say,
            watch_tally=progress.show,
            parts=_parts(settings, backend, given) + (beside.parts(backend) if beside else []),
        )
        if not given["quiet"]:
            served = ", ".join(queues or [q for q in handlers if q != "*"] or ["all queues"])
            say(f"worker {consumer.worker} on {backend.url} serves {served}")
        code = worker.run()
    progress.end(worker.tally)
    return code


def _beside(settings: Settings, given: dict[str, Any], opened: ExitStack) -> Any:
    """What measures the worker, or serves its store beside it; None when nobody asked for it. `opened` closes it."""
    how = {name: given[name] for name in SERVING if given[name] not in (None, ())}
    if how and given["serve"] is None:
        raise UsageError(f"--{next(iter(how)).replace('_', '-')} goes with --serve")
    try:
        if given["serve"] is not None:
            from jq_cli.server.embedded import Embedded

            return Embedded(given["serve"], given["metrics_port"], settings, opened, say, **how)
        if given["metrics_port"] is not None:
            from jq_cli.metrics.worker import WorkerMetrics

            return WorkerMetrics(given["metrics_port"], settings, say)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("jq_cli"):
            raise
        option, extra = ("--serve", "server") if given["serve"] is not None else ("--metrics-port", "metrics")
        raise UsageError(f"{option} needs the module {error.name!r}: pip install 'jq-cli[{extra}]'") from error
    return None


def _parts(settings: Settings, backend: Backend, given: dict[str, Any]) -> list[Part]:
    """The hooks, and a scheduler, unless the worker is told not to have one or is there to bring its queues to an end."""
    from jq_cli.hooks.part import hook_parts

    if given["no_cron"] or given["until_empty"]:
        return hook_parts(backend)
    from jq_cli.cron.scheduler import Scheduler
    from jq_cli.worker.cron_part import CronPart

    return [CronPart(Scheduler(backend, settings, say=say), say), *hook_parts(backend)]


def _check_hooks(settings: Settings) -> None:
    """A worker with a hook that does not exist would drop its events for days before anybody noticed."""
    if settings.hooks:
        from jq_cli.config.hook_specs import specs
        from jq_cli.hooks.spec import check_kind

        for spec in specs(settings):
            check_kind(spec)


def _enqueue(session: Session, backend: Backend, queues: tuple[str, ...], source: str) -> None:
    from jq_cli.intake.enqueue_lines import take_lines

    if len(queues) > 1:
        raise UsageError("--from puts jobs on one queue; name one, not several")
    take_lines(session, Client(backend, session.settings), queues[0], source)


def _options(session: Session, queues: tuple[str, ...], given: dict[str, Any]) -> Any:
    from jq_cli.pool.options import PoolOptions
    from jq_cli.worker.options import WorkerOptions

    settings, worker = session.settings, session.settings.worker
    limited = queues or tuple(settings.queues)
    return WorkerOptions(
        queues=queues,
        until_empty=given["until_empty"],
        wait_scheduled=given["wait_scheduled"],
        shutdown_timeout=_seconds(given, "shutdown_timeout", worker.shutdown_timeout),
        max_running={q: limit for q in limited if (limit := settings.queue(q).max_running) is not None},
        pool=PoolOptions(
            processes=given["processes"] or worker.processes,
            concurrency=given["concurrency"] or worker.concurrency,
            grace=_seconds(given, "grace", worker.grace),
            max_jobs=given["max_jobs"] or worker.max_jobs or 0,
            max_memory=_size(given["max_memory"]) or worker.max_memory or 0,
            pass_backend=settings.store.url if _flag(given["pass_backend"], worker.pass_backend) else None,
        ),
    )


def _seconds(given: dict[str, Any], name: str, default: float) -> float:
    from jq_cli.durations import parse_duration

    return default if given[name] is None else parse_duration(given[name], f"--{name.replace('_', '-')}") / 1_000


def _size(text: str | None) -> int:
    from jq_cli.config.kinds import size

    if text is None:
        return 0
    try:
        return int(size(2**20, 2**50).read(text))
    except ValueError:
        raise UsageError(f"--max-memory: expected 1MiB or more, such as 500MiB, got {text[:40]!r}") from None


def _flag(given: bool | None, default: bool) -> bool:
    return default if given is None else given
