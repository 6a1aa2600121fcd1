"""`jq config`: what is configured, and whether it may be."""

from jq_cli.cli.lazy_group import Entry, LazyGroup

COMMANDS: dict[str, Entry] = {
    "show": ("jq_cli.commands.config_show", "Show every setting and where it comes from."),
    "check": ("jq_cli.commands.config_check", "Report everything that is wrong with the configuration."),
}

command = LazyGroup("config", help="Show or check the configuration.", sections={"Commands": COMMANDS})
