"""Sections 1 and 2: names, ids, and a record that comes back as it was sent."""

from msgspec.structs import replace

from jq_cli.ids import new_id
from jq_cli.job import Backoff, Job
from jq_cli.testing.store import Store

PAYLOADS = [
    b"null", b"true", b"0", b"-0.0", b"1e3", b'""', b"[]", b"{}", b'"text"', b"12345678901234567890123456789",
    b'{ "b" : 1,  "a":[ 1 ,2 ] }', b'{"a":1,"a":2}', '{"smile":"\U0001f600","umlaut":"\u00fc"}'.encode(),
    b'"\\u0000\\n\\u001b[31m\\u202e"', b'"[bold]markup[/bold] %s {0} $1 :name ? \'quoted\'"', b'"' + b"x" * 70_000 + b'"',
    b"[" * 128 + b"]" * 128,
]  # fmt: skip
KEYS = [
    "k",
    "K",
    "k ",
    " k",
    "a:b",
    "a:b:c",
    "{a}",
    "*",
    "k\n",
    "\u00e9",
    "e\u0301",
    "\U0001f600",
    "'",
    '"',
    "\\",
    "%s",
    "x" * 512,
]


class IdentityTests:
    """The record and its identity."""

    def test_a_job_comes_back_with_every_field_as_it_was_enqueued(self, store: Store) -> None:
        sent = Job(
            id=new_id(), queue="q", payload=b'{"to": "ada"}', priority=-7, delivery="at_most_once", max_retries=0,
            max_losses=1_000, backoff=Backoff(0.5, 3.0, 60.0, 0.0), timeout=1.5, retention=7.25, dedup_key="d",
            dedup_ttl=2.5, dedup_until="done", idempotency_key="i", idempotency_ttl=3.5, headers={"trace": "1-2", "": "\u00fc"},
            schedule="nightly",
        )  # fmt: skip
        draft = replace(store.draft(), job=sent, delay=1_500, expires_in=2_500)
        assert store.insert(draft)[0].status == "created"
        now, got = store.clock.now, store.job(sent.id)
        accepted = replace(
            sent, state="scheduled", created_at=now, ready_at=now + 1_500, expires_at=now + 2_500, version=got.version
        )
        assert got == accepted

    def test_a_job_without_options_has_the_documented_defaults(self, store: Store) -> None:
        job = store.job(store.add())
        now = store.clock.now
        assert (job.state, job.priority, job.created_at, job.ready_at) == ("ready", 0, now, now)
        assert (job.generation, job.failures, job.losses, job.errors) == (0, 0, 0, ())
        assert (job.max_retries, job.max_losses, job.delivery) == (3, 3, "at_least_once")
        assert (job.started_at, job.finished_at, job.expires_at, job.owner, job.reason) == (
            None,
            None,
            None,
            None,
            None,
        )

    def test_the_payload_keeps_its_very_bytes_until_it_is_claimed(self, store: Store) -> None:
        ids = [inserted.id for inserted in store.insert(*[store.draft(payload) for payload in PAYLOADS])]
        assert [job.payload for job in store.claim(len(PAYLOADS))] == PAYLOADS
        assert [store.job(id).payload for id in ids] == PAYLOADS

    def test_a_payload_of_one_mebibyte_is_stored(self, store: Store) -> None:
        payload = b'"' + b"y" * (1024 * 1024 - 2) + b'"'
        assert store.run(payload).payload == payload

    def test_the_payload_survives_failure_recovery_death_and_requeue(self, store: Store) -> None:
        payload = b'{ "n":1.0 }'
        job = store.run(payload, max_retries=1)
        store.settle(job, "failed", error="x")
        store.clock.advance(1_000)
        job = store.take()
        store.expire_lease(job)
        job = store.take()
        store.settle(job, "failed", error="x")
        assert store.job(job.id).payload == payload
        assert store.job(job.id).state == "dead"

    def test_a_change_writes_the_payload_only_when_it_says_so(self, store: Store) -> None:
        job = store.run(b'"old"')
        change = store.outcome(replace(job, payload=b'"new"'), "snoozed", delay=0)
        assert store.write(change) == "applied"
        assert store.take().payload == b'"old"'

    def test_a_change_that_says_so_writes_a_new_payload(self, store: Store) -> None:
        job = store.run(b'"old"')
        change = replace(store.outcome(replace(job, payload=b'"new"'), "snoozed", delay=0), payload=True)
        assert store.write(change) == "applied"
        assert store.take().payload == b'"new"'

    def test_an_id_that_exists_makes_no_second_job(self, store: Store) -> None:
        id = store.add(b'"first"', priority=5)
        second = store.offer(b'"second"', id=id)
        assert (second.status, second.id) == ("duplicate", id)
        assert (store.job(id).payload, store.job(id).priority) == (b'"first"', 5)
        assert store.ids("ready") == [id]

    def test_an_id_that_exists_in_any_state_makes_no_second_job(self, store: Store) -> None:
        ids = [store.finish("succeeded"), store.finish("permanent"), store.add(delay=10), store.run().id]
        assert [store.offer(id=id).status for id in ids] == ["duplicate"] * 4
        assert [store.state(id) for id in ids] == ["succeeded", "dead", "scheduled", "running"]

    def test_an_id_twice_in_one_batch_makes_one_job(self, store: Store) -> None:
        id = new_id()
        first, second = store.insert(store.draft(b"1", id=id), store.draft(b"2", id=id))
        assert (first.status, second.status) == ("created", "duplicate")
        assert store.job(id).payload == b"1"

    def test_a_batch_makes_those_jobs_whose_ids_are_new(self, store: Store) -> None:
        old, low, high = store.add(b'"old"'), *sorted([new_id(), new_id()])
        drafts = [store.draft(b"1", id=high), store.draft(b"2", id=old), store.draft(b"3", id=low, delay=10)]
        answers = store.insert(*drafts)
        assert [answer.status for answer in answers] == ["created", "duplicate", "created"]
        assert [answer.id for answer in answers] == [high, old, low]
        assert [store.job(id).payload for id in (high, old, low)] == [b"1", b'"old"', b"3"]
        assert [store.state(id) for id in (high, old, low)] == ["ready", "ready", "scheduled"]

    def test_an_id_is_unique_in_its_queue_only(self, store: Store) -> None:
        id = store.add(b"1", queue="a")
        assert store.offer(b"2", queue="b", id=id).status == "created"
        assert (store.job(id, "a").payload, store.job(id, "b").payload) == (b"1", b"2")
        (job,) = store.claim(1, queues=("a",))
        assert store.settle(job) == "applied"
        assert store.state(id, "b") == "ready"

    def test_a_job_is_found_by_its_id_alone(self, store: Store) -> None:
        ids = [store.add(queue="a"), store.add(queue="b", delay=50), store.finish(queue="c")]
        assert [(job.queue, job.id) for id in ids if (job := store.backend.find(id))] == list(
            zip("abc", ids, strict=True)
        )
        assert store.backend.find(new_id()) is None

    def test_ids_that_do_not_exist_are_reported_in_their_places(self, store: Store) -> None:
        id = store.add()
        assert [job and job.id for job in store.backend.get("q", [new_id(), id, new_id()])] == [None, id, None]
        assert store.backend.get("nowhere", [id]) == [None]

    def test_the_longest_names_keys_and_headers_are_stored(self, store: Store) -> None:
        queue, key = "q" * 128, "\u00fc" * 256
        headers = {"h" * 1_000: "v" * 15_000}
        job = store.run(queue=queue, dedup_key=key, idempotency_key=key, headers=headers)
        assert (job.queue, job.dedup_key, job.idempotency_key, job.headers) == (queue, key, key, headers)

    def test_queue_names_that_look_alike_are_different_queues(self, store: Store) -> None:
        names = ["a", "A", "a.b", "a-b", "a_b", "a.b.c", "0", "00", "ready", "q.ready", "jobs"]
        ids = [store.add(queue=name) for name in names]
        assert [store.ids("ready", name) for name in names] == [[id] for id in ids]
        assert store.backend.queues() == sorted(names)

    def test_keys_that_look_alike_are_different_keys(self, store: Store) -> None:
        statuses = [store.offer(dedup_key=key, idempotency_key=key).status for key in KEYS]
        assert statuses == ["created"] * len(KEYS)
        assert [store.offer(dedup_key=key).status for key in KEYS] == ["duplicate"] * len(KEYS)

    def test_every_write_changes_the_version(self, store: Store) -> None:
        versions = [store.job(store.add()).version]
        job = store.take()
        versions.append(job.version)
        store.clock.advance(1)
        store.consumer().extend([job])
        versions.append(store.job(job.id).version)
        store.settle(job, "failed", error="x")
        versions.append(store.job(job.id).version)
        assert len(set(versions)) == len(versions)

    def test_namespaces_do_not_see_each_other(self, store: Store) -> None:
        other, id = store.elsewhere(), store.add(dedup_key="k")
        assert other.queues() == []
        assert other.find(id) is None
        draft = store.draft(dedup_key="k", id=id)
        assert other.insert([draft])[0].status == "created"
        other.swap("note", None, b"theirs")
        assert store.backend.read("") == {}
        store.settle(store.take())
        assert [job and job.state for job in other.get("q", [id])] == ["ready"]
