"""What may live beside the jobs in the loop of a worker: a scheduler, metrics, the counters of hooks."""

import selectors


class Part:
    """Something that the loop gives its turns to. Every call must return at once; each does nothing unless overridden.

    A worker with parts is a worker still: a part that is late or fails must never cost a job, so nothing but BackendError may
    leave `talk`, and nothing at all the others.
    """

    def start(self, selector: selectors.BaseSelector) -> None:
        """The keeper runs, so threads and sockets may be made now. A descriptor registered on `selector` with a callable as
        its data has that called when it is ready."""

    def patience(self) -> float:
        """Seconds until `tick` or `talk` has something to do."""
        return 60.0

    def tick(self) -> None:
        """Do what became due without asking the store. Called in every step of the loop."""

    def talk(self) -> None:
        """Do what became due with the store; not called while it does not answer. At most one store call may fail: raise its
        BackendError, the loop waits and calls again."""

    def registration(self) -> dict[str, object]:
        """Fields of the worker's registration that this part fills in."""
        return {}

    def close(self) -> None:
        """The last outcome is written. Give back what `start` took, within a bounded time."""
