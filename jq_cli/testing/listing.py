"""Listings in each state's own order, page by page, and counts that agree with them."""

import pytest

from jq_cli import lifecycle
from jq_cli.errors import InvalidField
from jq_cli.job import STATES, State
from jq_cli.testing.store import Store
from jq_cli.testing.structure import listed

FOREIGN = (
    "", "x", "null", "7", '"x"', "{}", "[]", "[1", "[1]", '["x", 1]', "[null, null]", "[1, 2, 3, 4]",
    '[1e99, "x"]', f'[{10**30}, "x"]',
)  # fmt: skip
"""Texts that are a cursor of no store."""


def five(store: Store) -> dict[State, list[str]]:
    """Five jobs in each state, in the order in which each state lists them."""
    for n in range(20):
        store.add(priority=100 - n // 5)
    jobs = store.claim(5, lease=50_000)
    for job, lease in zip(jobs, (5, 3, 1, 4, 2), strict=True):
        store.consumer(lease=lease * 10_000).extend([job])
    running = [jobs[n].id for n in (2, 4, 1, 3, 0)]
    final: dict[State, list[str]] = {}
    ends: dict[str, State] = {"succeeded": "succeeded", "permanent": "dead"}
    for kind, state in ends.items():
        batch = store.claim(5)
        for job in batch[::-1]:
            store.settle(job, kind)
            store.clock.advance(1)
        final[state] = [job.id for job in batch[::-1]]
    cancelled = []
    for job in store.backend.page("q", "ready").jobs:
        store.write(lifecycle.cancel(job, "m"))
        cancelled.append(job.id)
    ready = {priority: store.add(priority=priority) for priority in (0, 2, -1, 1, 3)}
    scheduled = {delay: store.add(delay=delay) for delay in (9_000, 7_000, 8_000, 7_001, 9_001)}
    return {
        "ready": [ready[priority] for priority in (3, 2, 1, 0, -1)],
        "scheduled": [scheduled[delay] for delay in sorted(scheduled)],
        "running": running,
        "cancelled": cancelled,
        **final,
    }


class ListingTests:
    """What readers see."""

    def test_each_state_is_listed_in_its_own_order(self, store: Store) -> None:
        wanted = five(store)
        assert {state: store.ids(state) for state in wanted} == wanted
        assert store.counts().states == dict.fromkeys(wanted, 5)

    def test_each_state_is_listed_backwards_in_the_reverse_of_its_order(self, store: Store) -> None:
        wanted = five(store)
        assert {state: store.ids(state, reverse=True) for state in wanted} == {
            s: ids[::-1] for s, ids in wanted.items()
        }

    def test_pages_of_any_size_join_to_the_whole_listing_both_ways(self, store: Store) -> None:
        wanted = five(store)
        for state, ids in wanted.items():
            for limit in (1, 2, 4, 5, 6):
                assert store.ids(state, limit=limit) == ids
                assert store.ids(state, limit=limit, reverse=True) == ids[::-1]

    def test_the_last_page_has_no_cursor(self, store: Store) -> None:
        for _ in range(4):
            store.add()
        assert store.backend.page("q", "ready", limit=4).cursor is None
        page = store.backend.page("q", "ready", limit=2)
        assert page.cursor is not None
        assert store.backend.page("q", "ready", limit=2, cursor=page.cursor).cursor is None

    def test_a_cursor_that_comes_from_no_listing_is_refused(self, store: Store) -> None:
        five(store)
        for state in STATES:
            for cursor in FOREIGN:
                for reverse in (False, True):
                    with pytest.raises(InvalidField, match=r"^cursor: "):
                        store.backend.page("q", state, cursor=cursor, reverse=reverse)

    def test_jobs_that_stay_are_listed_once_while_others_come_and_go(self, store: Store) -> None:
        stay = [store.add(priority=0) for _ in range(6)]
        page = store.backend.page("q", "ready", limit=3)
        gone = store.add(priority=9)
        store.claim(1)
        store.write(lifecycle.remove(store.job(stay[0]), "m"))
        late = store.add(priority=-9)
        rest = [job.id for job in store.backend.page("q", "ready", limit=10, cursor=page.cursor).jobs]
        assert [job.id for job in page.jobs] + rest == [*stay, late]
        assert gone not in rest

    def test_a_page_goes_on_when_the_job_at_its_cursor_is_gone(self, store: Store) -> None:
        ids = [store.add(delay=1_000 * n) for n in range(1, 6)]
        page = store.backend.page("q", "scheduled", limit=2)
        store.write(lifecycle.remove(store.job(ids[1]), "m"))
        assert [job.id for job in store.backend.page("q", "scheduled", cursor=page.cursor).jobs] == ids[2:]

    def test_pages_join_where_many_jobs_share_priority_and_moment(self, store: Store) -> None:
        ids = [inserted.id for inserted in store.insert(*[store.draft() for _ in range(30)])]
        assert store.ids("ready", limit=7) == ids
        assert store.ids("ready", limit=7, reverse=True) == ids[::-1]

    def test_pages_of_finished_jobs_join_where_many_finished_in_one_millisecond(self, store: Store) -> None:
        ids = [store.add() for _ in range(20)]
        store.backend.replace([store.outcome(job) for job in store.claim(20)])
        assert store.ids("succeeded", limit=3) == ids
        assert store.ids("succeeded", limit=3, reverse=True) == ids[::-1]

    def test_a_listing_shows_whole_jobs(self, store: Store) -> None:
        id = store.add(b'{"x": 1}', headers={"a": "b"}, dedup_key="k", priority=3)
        assert store.backend.page("q", "ready").jobs == [store.job(id)]

    def test_due_scheduled_jobs_are_listed_among_the_ready_ones_in_their_places(self, store: Store) -> None:
        ids = [store.add(delay=100, priority=1), store.add(), store.add(delay=50), store.add(delay=101)]
        store.clock.advance(100)
        assert store.ids("ready") == [ids[0], ids[1], ids[2]]
        assert store.ids("scheduled") == [ids[3]]

    def test_a_paused_queue_shows_due_jobs_as_ready(self, store: Store) -> None:
        id = store.add(delay=100)
        store.control(paused=True)
        store.clock.advance(100)
        assert (store.ids("ready"), store.count("ready"), store.state(id)) == ([id], 1, "ready")

    def test_an_extended_job_moves_in_the_listing_of_running_ones(self, store: Store) -> None:
        first, second = store.run(), store.run()
        store.clock.advance(10)
        store.consumer().extend([first])
        assert store.ids("running") == [second.id, first.id]

    def test_an_unknown_queue_is_empty(self, store: Store) -> None:
        assert listed(store.backend, "never", "ready") == []
        counts = store.counts("never")
        assert (set(counts.states.values()), counts.oldest_ready_at, counts.totals) == ({0}, None, {})

    def test_counts_come_in_the_order_asked_for(self, store: Store) -> None:
        for queue in ("b", "a", "c"):
            store.add(queue=queue)
        assert [counts.queue for counts in store.backend.counts(["c", "x", "a"])] == ["c", "x", "a"]
        assert [counts.queue for counts in store.backend.counts()] == ["a", "b", "c"]
        assert store.backend.counts([]) == []

    def test_the_oldest_ready_moment_is_the_least_among_ready_jobs_of_any_priority(self, store: Store) -> None:
        store.add(priority=-5)
        oldest = store.clock.now
        store.clock.advance(100)
        store.add(priority=5)
        assert store.counts().oldest_ready_at == oldest
        store.claim(2)
        assert store.counts().oldest_ready_at is None
