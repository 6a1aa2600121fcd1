"""`jq cron`: schedules."""

from jq_cli.cli.lazy_group import Entry, LazyGroup

COMMANDS: dict[str, Entry] = {
    "ls": ("jq_cli.commands.cron_ls", "List the schedules: last and next fire, lag, last outcome."),
    "next": ("jq_cli.commands.cron_next", "Show when a schedule or an expression fires next."),
    "add": ("jq_cli.commands.cron_add", "Create a schedule."),
    "edit": ("jq_cli.commands.cron_edit", "Change a schedule."),
    "rm": ("jq_cli.commands.cron_rm", "Remove schedules."),
    "pause": ("jq_cli.commands.cron_pause", "Stop schedules."),
    "resume": ("jq_cli.commands.cron_resume", "Let schedules fire again, from their next tick on."),
    "trigger": ("jq_cli.commands.cron_trigger", "Make the jobs of schedules now."),
    "run": ("jq_cli.commands.cron_run", "Run a scheduler alone, without a worker."),
}

command = LazyGroup("cron", help="Make jobs by the clock.", sections={"Commands": COMMANDS})
