"""Section 13: stored data that cannot be decoded never stops a worker, and rows of a newer version lose nothing.

These tests overwrite stored bodies through the suite's `damage` hook."""

import msgspec

from jq_cli import lifecycle
from jq_cli.consumer import Consumer
from jq_cli.job import FORMAT, encode_body
from jq_cli.lifecycle import NEWER_FORMAT_DELAY
from jq_cli.testing.store import Store

BROKEN = [
    b"",
    b"{",
    b"null",
    b"[]",
    b"17",
    b'{"max_retries": "many"}',
    b'{"errors": [1]}',
    b"\xff\xfe\x00",
    b"{" * 5_000,
]
NEWER = b'{"format": %d, "wonder": {"n": [1, 2]}}' % (FORMAT + 1)


def claimed(consumer: Consumer) -> list[str]:
    """The ids of what a worker gets to start."""
    return [job.id for job in consumer.claim(["q"], 10)]


class DamageTests:
    """Rows nobody expected."""

    def test_a_damaged_row_goes_to_the_dlq_and_the_next_job_is_served(self, store: Store) -> None:
        for body in BROKEN:
            bad, good = store.add(priority=9), store.add()
            store.damage(bad, body)
            assert claimed(store.consumer()) == [good]
            assert (store.state(bad), store.job(bad).reason) == ("dead", "undecodable")

    def test_a_damaged_row_keeps_its_raw_bytes_and_its_payload(self, store: Store) -> None:
        for body in BROKEN[1:]:
            id = store.add(b'{"precious": 1}')
            store.damage(id, body)
            assert claimed(store.consumer()) == []
            assert (store.job(id).raw, store.job(id).payload) == (body, b'{"precious": 1}')

    def test_a_damaged_row_stops_no_reader(self, store: Store) -> None:
        ids = [store.add(), store.add(), store.add(delay=50)]
        for id in ids[1:]:
            store.damage(id, b"{")
        assert store.ids("ready") == ids[:2]
        assert store.job(ids[1]).damaged
        assert (found := store.backend.find(ids[2])) is not None
        assert found.damaged

    def test_many_damaged_rows_hide_no_good_one(self, store: Store) -> None:
        for _ in range(25):
            store.damage(store.add(priority=1), b"{")
        good = store.add()
        assert claimed(store.consumer()) == [good]
        assert store.count("dead") == 25

    def test_a_row_damaged_while_it_runs_is_recovered_and_then_moved_aside(self, store: Store) -> None:
        job = store.run()
        store.damage(job.id, b"{")
        store.expire_lease(job)
        assert claimed(store.consumer()) == []
        assert (store.job(job.id).reason, store.job(job.id).raw) == ("undecodable", b"{")

    def test_a_row_damaged_while_it_runs_can_still_be_settled(self, store: Store) -> None:
        job = store.run()
        store.damage(job.id, b"{")
        assert store.consumer().extend([job]) == ["held"]
        assert store.settle(job) == "applied"
        assert (store.state(job.id), store.job(job.id).raw) == ("succeeded", b"")

    def test_a_damaged_row_that_an_operator_requeues_runs_with_default_options(self, store: Store) -> None:
        id = store.add(b'"kept"', max_retries=9)
        store.damage(id, b"{")
        claimed(store.consumer())
        store.write(lifecycle.requeue(store.job(id), "m"))
        (job,) = store.consumer().claim(["q"])
        assert (job.id, job.payload, job.max_retries, job.damaged) == (id, b'"kept"', 3, False)

    def test_a_damaged_row_can_be_cancelled_and_removed(self, store: Store) -> None:
        cancelled, removed = store.add(), store.add()
        store.damage(cancelled, b"{")
        store.damage(removed, b"{")
        assert store.write(lifecycle.cancel(store.job(cancelled), "m1")) == "applied"
        assert store.write(lifecycle.remove(store.job(removed), "m2")) == "applied"
        assert (store.state(cancelled), store.gone(removed)) == ("cancelled", True)

    def test_unknown_fields_are_kept_and_ignored(self, store: Store) -> None:
        id = store.add(max_retries=7)
        body = msgspec.json.decode(encode_body(store.job(id)))
        store.damage(id, msgspec.json.encode({**body, "wonder": {"n": [1, 2]}}))
        (job,) = store.consumer().claim(["q"])
        assert (job.max_retries, job.extra) == (7, {"wonder": {"n": [1, 2]}})
        store.settle(job, "failed", error="x")
        assert (store.job(id).failures, store.job(id).extra) == (1, {"wonder": {"n": [1, 2]}})

    def test_a_row_of_a_newer_format_is_released_for_thirty_seconds(self, store: Store) -> None:
        newer, good = store.add(priority=9), store.add()
        store.damage(newer, NEWER)
        assert claimed(store.consumer()) == [good]
        assert (store.state(newer), store.job(newer).ready_at) == ("scheduled", store.clock.now + NEWER_FORMAT_DELAY)
        store.clock.advance(NEWER_FORMAT_DELAY - 1)
        assert store.claim() == []
        store.clock.advance(1)
        assert store.take().id == newer

    def test_a_row_of_a_newer_format_loses_nothing_in_the_hands_of_an_older_worker(self, store: Store) -> None:
        id = store.add(b'"p"')
        store.damage(id, NEWER)
        claimed(store.consumer())
        store.clock.advance(NEWER_FORMAT_DELAY)
        store.expire_lease(store.take())
        job = store.job(id)
        assert (job.format, job.raw, encode_body(job), job.payload) == (FORMAT + 1, NEWER, NEWER, b'"p"')
        assert job.state == "ready"
