"""Removes what nobody needs any more: commits that a snapshot has taken in, older snapshots, data objects without a job,
and places in the line of writers that have ended."""

from jq_cli.backends.objects.entry import commit_name, number_of
from jq_cli.backends.objects.store import Listed, Store
from jq_cli.backends.objects.tables import Tables

MOST = 5_000
"""Objects of a folder looked at by one sweep; the next one of this process goes on from there."""


class Sweeper:
    """Sweeps a namespace. Ages are told by the store's own clock: a listing is as old as its newest object at least."""

    def __init__(self, store: Store, grace: float) -> None:
        self._store, self._grace = store, grace
        self._after = {"log": "", "data": ""}

    def sweep(self, tables: Tables, number: int) -> None:
        """Remove objects, with the tables as of commit `number`."""
        snapshots = [each for each in self._store.listing("snap") if 0 <= number_of(each.name) <= number]
        now = max((each.modified for each in snapshots), default=0.0)
        old = [number_of(each.name) for each in snapshots if now - each.modified >= self._grace]
        if not old:
            return
        needed = {commit_name(w) if isinstance(w, int) else w for w in tables.referenced()}
        horizon = max(old)
        gone = [each.name for each in snapshots if number_of(each.name) < horizon]
        gone += [each.name for each in self._some("log") if 0 < number_of(each.name) <= horizon]
        gone += [each.name for each in self._some("data") if now - each.modified >= self._grace]
        if tables.line.first > 1:
            gone += [each.name for each in self._store.listing("want") if tables.line.has_ended(number_of(each.name))]
        self._store.delete([name for name in gone if name not in needed])
        self._store.tidy(self._grace)

    def _some(self, folder: str) -> list[Listed]:
        found = self._store.listing(folder, self._after[folder], MOST)
        self._after[folder] = found[-1].name if len(found) == MOST else ""
        return found
