"""What lies in a row, what lies aside, and what is counted."""

from collections.abc import Iterator
from itertools import count

import pytest
from msgspec.structs import replace

from jq_cli import lifecycle
from jq_cli.backends.base import Claim, Setting
from jq_cli.backends.sqlite import changes as sqlite_changes
from jq_cli.backends.sqlite import claims as sqlite_claims
from jq_cli.backends.sqlite import keys as sqlite_keys
from jq_cli.backends.sqlite.backend import SqliteBackend, open_sqlite
from jq_cli.backends.sqlite.rows import INLINE
from jq_cli.errors import InvalidField
from jq_cli.ids import nonce
from jq_cli.job import NO_RESULT, Job, lease_of
from jq_cli.lifecycle import Keeping, Outcome
from jq_cli.testing.clock import ManualClock
from tests.backends.sqlite_jobs import check_file, claim, draft, path_of, succeed

SMALL, EDGE, LARGE = b'"s"', b'"%s"' % (b"e" * (INLINE - 2)), b'"%s"' % (b"l" * 100_000)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(sqlite_url: str, clock: ManualClock) -> Iterator[SqliteBackend]:
    with open_sqlite(sqlite_url, clock=clock) as opened:
        assert isinstance(opened, SqliteBackend)
        yield opened
        check_file(path_of(opened))


def rows_of(store: SqliteBackend, table: str) -> int:
    return int(store._space.cursor.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def edit(store: SqliteBackend, job: Job, payload: bytes) -> None:
    change = lifecycle.unfenced(lifecycle.release(job), job, nonce())
    change = replace(change, job=replace(job, payload=payload), payload=True)
    assert store.replace([change]) == ["applied"]


def test_payloads_of_all_sizes_come_back_from_every_reader(store: SqliteBackend) -> None:
    sizes = [SMALL, EDGE, EDGE + b" ", LARGE]
    drafts = [draft(payload) for payload in sizes]
    store.insert(drafts)
    ids = [each.job.id for each in drafts]
    assert rows_of(store, "payloads") == 2
    assert [job.payload for job in store.page("q", "ready").jobs] == sizes
    assert [job.payload for job in store.get("q", ids) if job] == sizes
    assert [job.payload for id in ids if (job := store.find(id))] == sizes
    assert [job.payload for job in claim(store, 10)] == sizes
    assert [job.payload for job in store.held("w")] == sizes


def test_a_payload_may_be_edited_from_any_size_to_any_other(store: SqliteBackend) -> None:
    store.insert([draft(SMALL)])
    for payload in (EDGE, LARGE, LARGE + b" ", SMALL, LARGE):
        (job,) = store.page("q", "ready").jobs
        edit(store, job, payload)
        assert store.page("q", "ready").jobs[0].payload == payload
        assert rows_of(store, "payloads") == (len(payload) > INLINE)
        check_file(path_of(store))


def test_a_large_payload_is_not_written_again_when_its_job_moves(store: SqliteBackend) -> None:
    store.insert([draft(b'"%s"' % (b"x" * 900_000))])
    log = path_of(store).with_name("jq.db-wal")
    store._space.cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    (job,) = claim(store)
    store.extend([lease_of(job)], lease=10)
    store.replace([lifecycle.release(job)])
    succeed(store, claim(store))
    assert 0 < log.stat().st_size < 300_000


def test_what_lies_aside_goes_with_its_job(store: SqliteBackend) -> None:
    store.insert([draft(LARGE) for _ in range(6)])
    changes = [
        lifecycle.settle(job, Outcome("succeeded", output=b'"o"'), now=0, rand=0, keeping=Keeping(count=2))
        for job in claim(store, 5)
    ]
    store.replace(changes)
    assert (rows_of(store, "payloads"), rows_of(store, "outputs")) == (3, 2)
    for job in [*store.page("q", "succeeded").jobs, *store.page("q", "ready").jobs]:
        store.replace([lifecycle.remove(job, "m")])
    assert [rows_of(store, table) for table in ("jobs", "payloads", "outputs")] == [0, 0, 0]


def test_output_shown_meanwhile_is_replaced_by_that_of_the_end(store: SqliteBackend) -> None:
    store.insert([draft()])
    (job,) = claim(store)
    store.extend([lease_of(job)], lease=10_000, live={job.id: b'"half"'})
    assert store.outputs("q", [job.id]) == [b'"half"']
    store.replace([lifecycle.settle(job, Outcome("succeeded", output=b'"whole"'), now=0, rand=0)])
    assert store.outputs("q", [job.id, "none"]) == [b'"whole"', None]


def test_what_people_wrote_into_the_file_as_text_is_read_as_bytes(store: SqliteBackend) -> None:
    store.insert([draft()])
    store._space.cursor.execute("""UPDATE jobs SET payload = '{"by": "hand"}', body = '{"max_retries": 7}'""")
    (job,) = claim(store)
    assert (job.payload, job.max_retries) == (b'{"by": "hand"}', 7)


# --- bounded steps ---


def test_more_due_jobs_than_one_step_takes_in_are_all_taken_in_before_a_claim(
    store: SqliteBackend, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_claims, "TAKE_IN_BATCH", 3)
    store.insert([draft(), *[draft(delay=n) for n in range(1, 11)], draft(delay=11, priority=1)])
    first = store.page("q", "ready").jobs[0]
    clock.advance(20)
    jobs = claim(store, 4)
    assert (jobs[0].priority, jobs[1].id) == (1, first.id)
    assert store.counts()[0].states["scheduled"] == 0


def test_a_turn_settles_first_when_it_must_take_in_many(
    store: SqliteBackend, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_claims, "TAKE_IN_BATCH", 2)
    store.insert([draft(), *[draft(delay=n) for n in range(1, 8)]])
    jobs = claim(store)
    clock.advance(20)
    turned = store.turn([lifecycle.release(job) for job in jobs], Claim(("q",), 3, "w", 1, nonce()))
    assert turned.verdicts == ["applied"]
    assert [job.id for job in turned.jobs][:1] == [jobs[0].id]
    assert len(turned.jobs) == 3


def test_a_claim_that_runs_out_of_time_taking_in_hands_out_nothing_out_of_order(
    store: SqliteBackend, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_claims, "TAKE_IN_BATCH", 2)
    moments = count(0, 5)
    monkeypatch.setattr("time.monotonic", lambda: next(moments))
    store.insert([draft(), *[draft(delay=n) for n in range(1, 6)], draft(delay=6, priority=1)])
    clock.advance(20)
    answers = [claim(store, 1) for _ in range(5)]
    assert [len(jobs) for jobs in answers] == [0, 0, 0, 1, 1]
    assert answers[3][0].priority == 1


def test_a_listing_takes_in_many_due_jobs_in_steps(
    store: SqliteBackend, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_claims, "TAKE_IN_BATCH", 2)
    store.insert([draft(delay=n) for n in range(1, 8)])
    clock.advance(5)
    assert (len(store.page("q", "ready").jobs), len(store.page("q", "scheduled").jobs)) == (5, 2)


def test_trimming_and_forgetting_work_in_bounded_steps(
    store: SqliteBackend, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_changes, "TRIM_BATCH", 3)
    monkeypatch.setattr(sqlite_keys, "FORGET_BATCH", 4)
    store.insert([draft(dedup_key=str(n), dedup_ttl=1.0) for n in range(10)])
    jobs = claim(store, 10)
    succeed(store, jobs[:8])
    store.replace([lifecycle.succeed(jobs[8], NO_RESULT, Keeping(count=1))])
    assert [job.id for job in store.page("q", "succeeded").jobs] == [job.id for job in jobs[3:9]]
    clock.advance(1_000)
    left = []
    for _ in range(4):
        store.due(10)
        left.append(rows_of(store, "keys"))
    assert left == [6, 2, 0, 0]


# --- what callers may get wrong ---


@pytest.mark.parametrize("cursor", ["", "x", "[]", "[1]", '["a", "b"]', '[1, "a", 2]'])
def test_a_cursor_that_comes_from_nowhere_is_refused(cursor: str, store: SqliteBackend) -> None:
    with pytest.raises(InvalidField, match="does not come from a listing"):
        store.page("q", "ready", cursor=cursor)


def test_a_queue_named_twice_in_a_claim_does_not_exceed_its_limit(store: SqliteBackend) -> None:
    store.insert([draft() for _ in range(5)])
    store.control("q", Setting(max_running=2))
    assert len(store.claim(Claim(("q", "q"), 5, "w", 10, nonce())).jobs) == 2
