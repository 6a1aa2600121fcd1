"""`jq queue`: one queue, what holds for it, and how many of its jobs may run at once."""

from jq_cli.cli.lazy_group import Entry, LazyGroup

COMMANDS: dict[str, Entry] = {
    "show": ("jq_cli.commands.queue_show", "Show everything about queues."),
    "set": ("jq_cli.commands.queue_set", "Limit how many jobs of queues run at once."),
}

command = LazyGroup("queue", help="Look at a queue, or limit it.", sections={"Commands": COMMANDS})
