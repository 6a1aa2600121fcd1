"""A turn of the worker with its store: outcomes are settled and jobs are claimed in one call, which may be under way while the
loop goes on."""

from collections.abc import Callable
from typing import NamedTuple

from jq_cli.change import Verdict
from jq_cli.job import Job


class Turn(NamedTuple):
    """What was so when it was sent, at `sent_at`: how many children were `idle`, how many jobs it claims at most (`limit`), how
    many `changes` it makes, how many `hints` had come, and whether it is `quiet`: no job was held, so that its answer tells of
    contact."""

    sent_at: float
    idle: int
    limit: int
    changes: int
    hints: int
    quiet: bool


Answer = tuple[list[Verdict], list[Job]]
Begun = tuple[Turn, Callable[[], Answer]]
