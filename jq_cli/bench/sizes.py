"""How much is measured, and with which sizes."""

import msgspec

BULK = 1_000
"""Jobs of one call of a bulk enqueue, as `jq enqueue --from` makes them."""


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """The sizes of a run.

    jobs        of one measurement, at most
    batches     jobs that one claim, settle or turn asks for: each number is measured
    processes   children of the pool: each number is measured
    payload     bytes of a payload
    most        seconds after which a measurement ends, however many jobs it did
    probes      jobs that find the pool idle, and are timed
    kills       children that are killed
    """

    jobs: int = 10_000
    batches: tuple[int, ...] = (1, 10, 100)
    processes: tuple[int, ...] = (1, 2)
    payload: int = 200
    most: float = 3.0
    probes: int = 50
    kills: int = 5
