"""Several clients at once, each with a handle of its own: every step is atomic, so no job is made, given or moved twice."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from threading import Barrier
from typing import TypeVar

from jq_cli.backends.base import Backend, Claim, Setting
from jq_cli.consumer import Consumer
from jq_cli.draft import Draft
from jq_cli.ids import nonce
from jq_cli.testing.store import Store

T = TypeVar("T")
CLIENTS = 8
SETTINGS = [Setting(paused=True, by="ada"), Setting(max_running=5)]


def at_once(store: Store, clients: Sequence[Callable[[Backend], T]]) -> list[T]:
    """What each client got; all start together, each in a thread and on a handle of its own."""
    start = Barrier(len(clients))

    def run(client: Callable[[Backend], T]) -> T:
        backend = store.another()
        try:
            start.wait(30)
            return client(backend)
        finally:
            if backend is not store.backend:
                backend.close()

    with ThreadPoolExecutor(len(clients)) as pool:
        return list(pool.map(run, clients))


def offering(drafts: Sequence[Draft]) -> Callable[[Backend], list[tuple[str, str]]]:
    """A producer that sends drafts one by one."""
    return lambda backend: [(answer.status, answer.id) for draft in drafts for answer in backend.insert([draft])]


def claiming(worker: str, limit: int) -> Callable[[Backend], list[str]]:
    """A worker that claims until nothing is left."""

    def work(backend: Backend) -> list[str]:
        ids: list[str] = []
        while jobs := backend.claim(Claim(("q",), limit, worker, 600_000, nonce())).jobs:
            ids += [job.id for job in jobs]
        return ids

    return work


def swapping(value: bytes) -> Callable[[Backend], bool]:
    """A client that writes a note if there is none."""
    return lambda backend: backend.swap("note", None, value)


def setting(change: Setting) -> Callable[[Backend], object]:
    """An operator who sets a control."""
    return lambda backend: backend.control("q", change)


def joined(lists: Sequence[list[T]]) -> list[T]:
    """One list of all items."""
    return list(chain.from_iterable(lists))


class ConcurrencyTests:
    """Races."""

    def test_of_a_thousand_concurrent_enqueues_with_one_dedup_key_exactly_one_makes_a_job(self, store: Store) -> None:
        number = store.many(1_000)
        drafts = [store.draft(dedup_key="k") for _ in range(number)]
        answers = joined(at_once(store, [offering(drafts[n::CLIENTS]) for n in range(CLIENTS)]))
        (winner,) = [id for status, id in answers if status == "created"]
        assert {id for _, id in answers} == {winner}
        assert store.ids("ready") == [winner]
        assert (store.total("enqueued"), store.total("duplicates")) == (1, number - 1)

    def test_of_concurrent_enqueues_with_one_idempotency_key_exactly_one_makes_a_job(self, store: Store) -> None:
        drafts = [store.draft(idempotency_key="k") for _ in range(80)]
        answers = joined(at_once(store, [offering(drafts[n::CLIENTS]) for n in range(CLIENTS)]))
        assert [status for status, _ in answers].count("created") == 1

    def test_of_concurrent_enqueues_with_one_id_exactly_one_makes_a_job(self, store: Store) -> None:
        draft = store.draft()
        answers = joined(at_once(store, [offering([draft] * 10) for _ in range(CLIENTS)]))
        assert [status for status, _ in answers].count("created") == 1
        assert store.counts().states["ready"] == 1

    def test_concurrent_claims_never_hand_out_a_job_twice(self, store: Store) -> None:
        drafts = [store.draft() for _ in range(store.many(400))]
        store.insert(*drafts)
        claimed = at_once(store, [claiming(f"w{n}", 1 + n) for n in range(CLIENTS)])
        assert sorted(joined(claimed)) == [draft.job.id for draft in drafts]
        assert store.count("running") == len(drafts)

    def test_concurrent_claims_respect_max_running(self, store: Store) -> None:
        store.insert(*[store.draft() for _ in range(100)])
        store.control(max_running=7)
        claimed = at_once(store, [claiming(f"w{n}", 2) for n in range(CLIENTS)])
        assert len(joined(claimed)) == store.count("running") == 7

    def test_ten_tickers_over_a_thousand_ended_leases_move_each_job_once(self, store: Store) -> None:
        number = store.many(1_000)
        store.insert(*[store.draft() for _ in range(number)])
        assert len(store.claim(number)) == number
        store.clock.advance(10_000)
        moved = at_once(store, [lambda backend: Consumer(backend).tick()] * 10)
        assert sum(moved) == store.total("recovered") == store.count("ready") == number
        assert {job.losses for job in store.claim(number)} == {1}

    def test_one_of_many_concurrent_reports_of_one_outcome_is_applied(self, store: Store) -> None:
        change = store.outcome(store.run())
        verdicts = joined(at_once(store, [lambda backend: backend.replace([change])] * CLIENTS))
        assert (verdicts.count("applied"), verdicts.count("already")) == (1, CLIENTS - 1)
        assert store.total("succeeded") == 1

    def test_one_of_a_settle_and_a_recovery_at_once_wins(self, store: Store) -> None:
        store.insert(*[store.draft() for _ in range(100)])
        changes = [store.outcome(job) for job in store.claim(100)]
        store.clock.advance(10_000)

        def settle(backend: Backend) -> int:
            return [backend.replace([change]) for change in changes].count(["applied"])

        settled, recovered = at_once(store, [settle, lambda backend: Consumer(backend).tick()])
        assert settled + recovered == 100
        assert (store.count("succeeded"), store.count("ready")) == (settled, recovered)

    def test_one_of_many_concurrent_swaps_of_one_note_succeeds(self, store: Store) -> None:
        assert at_once(store, [swapping(b"%d" % n) for n in range(CLIENTS)]).count(True) == 1

    def test_concurrent_settings_of_one_queue_keep_each_other(self, store: Store) -> None:
        at_once(store, [setting(each) for each in SETTINGS])
        controls = store.counts().controls
        assert (controls.paused, controls.paused_by, controls.max_running) == (True, "ada", 5)
