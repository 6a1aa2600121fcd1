"""How a worker runs, and what it tells of a run."""

from collections.abc import Mapping

import msgspec

from jq_cli.pool.options import PoolOptions


class WorkerOptions(msgspec.Struct, frozen=True):
    """How a worker runs. Without `queues`, every queue that has a handler. Seconds.

    until_empty     end when the queues hold nothing ready or running and no retry is pending
    wait_scheduled  with it: wait for jobs delayed by their producers too
    max_running     limits that the configuration names, brought to the store before the first claim (`limits`)
    """

    queues: tuple[str, ...] = ()
    until_empty: bool = False
    wait_scheduled: bool = False
    shutdown_timeout: float = 25.0
    max_running: Mapping[str, int] = {}
    pool: PoolOptions = PoolOptions()


class Tally(msgspec.Struct):
    """What this run of a worker did. `dead` counts jobs it sent to the DLQ, `lost` those whose process died under
    them, `late` outcomes that came when the lease was somebody else's."""

    succeeded: int = 0
    failed: int = 0
    dead: int = 0
    lost: int = 0
    late: int = 0
    interrupted: int = 0
