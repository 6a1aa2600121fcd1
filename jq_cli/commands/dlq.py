"""`jq dlq`: the dead letter queues."""

from jq_cli.cli.lazy_group import Entry, LazyGroup

COMMANDS: dict[str, Entry] = {
    "ls": ("jq_cli.commands.dlq_ls", "List the dead jobs of queues."),
    "show": ("jq_cli.commands.dlq_show", "Show everything about dead jobs."),
    "edit": ("jq_cli.commands.dlq_edit", "Change the payload or the options of dead jobs."),
    "requeue": ("jq_cli.commands.dlq_requeue", "Make dead jobs ready again."),
    "purge": ("jq_cli.commands.dlq_purge", "Remove dead jobs for good."),
}

command = LazyGroup("dlq", help="Look at, edit, requeue or purge dead jobs.", sections={"Commands": COMMANDS})
