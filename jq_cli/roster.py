"""The workers that registered with a store."""

from jq_cli.backends.base import Backend
from jq_cli.consumer import WORKER_NOTE, Registration, read_registration


def registered(backend: Backend) -> list[Registration]:
    """The registered workers, oldest first. A note that cannot be read is passed over."""
    read = [read_registration(note) for note in backend.read(WORKER_NOTE).values()]
    return sorted([one for one in read if one is not None], key=lambda one: (one.started_at, one.id))
