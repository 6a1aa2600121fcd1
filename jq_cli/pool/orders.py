"""What a worker and its keeper say to each other, one JSON object or short line at a time. Pure data."""

import msgspec

from jq_cli.handlers.spec import HandlerOptions, HandlerSpec


class Order(msgspec.Struct, frozen=True):
    """What the keeper is told first: the handler of each queue (`*`: of every queue) and what they share. `memory`: whether
    children report how much of it they use."""

    handlers: dict[str, HandlerSpec]
    options: HandlerOptions
    memory: bool = False


class Notice(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line from the keeper: ready, failed (`text`), spawned (`slot`, `pid`) or exited (`slot`, `pid`, `status`)."""

    what: str
    slot: int = -1
    pid: int = 0
    status: int = 0
    text: str = ""
