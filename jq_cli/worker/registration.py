"""What a worker tells of itself to whoever asks which workers there are."""

from collections.abc import Sequence

from jq_cli.consumer import HEARTBEAT, HEARTBEAT_VALID
from jq_cli.pool.pool import Pool
from jq_cli.worker.options import Tally, WorkerOptions
from jq_cli.worker.part import Part


def registration(
    options: WorkerOptions, pool: Pool, parts: Sequence[Part], *, tally: Tally, state: str, beat: float
) -> dict[str, object]:
    """The fields of its registration; `beat`: seconds until it renews it."""
    fields: dict[str, object] = {
        "queues": options.queues,
        "processes": options.pool.processes,
        "running": pool.running(),
        "done": tally.succeeded + tally.failed + tally.lost,
        "state": state,
        "valid": round(beat * 1_000 * HEARTBEAT_VALID / HEARTBEAT),
    }
    for part in parts:
        fields |= part.registration()
    return fields
