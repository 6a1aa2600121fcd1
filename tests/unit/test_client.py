"""What a client does when the store does not answer, and when jobs change under a bulk change. On the memory store."""

from collections.abc import Callable, Sequence

import pytest

from jq_cli import lifecycle
from jq_cli.backends.base import Claim, Inserted
from jq_cli.backends.memory.backend import MemoryBackend
from jq_cli.change import Change, Verdict
from jq_cli.client import RESEND_AFTER, Client
from jq_cli.config.settings import Settings
from jq_cli.consumer import Consumer
from jq_cli.draft import Draft, Line
from jq_cli.errors import BackendUnreachable, Conflict, NotFound
from jq_cli.ids import new_id
from jq_cli.intake.drafting import Drafter
from jq_cli.lifecycle import Outcome
from jq_cli.triage.bulk import Bulk, Pace, Result


class Flaky(MemoryBackend):
    """Loses the answers of the next `lost` calls, which take effect (or not, with `deaf`)."""

    lost = 0
    deaf = False
    before_replace: Callable[[], None] | None = None

    def insert(self, drafts: Sequence[Draft]) -> list[Inserted]:
        return self._answered(lambda: super(Flaky, self).insert(drafts))

    def replace(self, changes: Sequence[Change]) -> list[Verdict]:
        if self.before_replace is not None:
            meanwhile, self.before_replace = self.before_replace, None
            meanwhile()
        return self._answered(lambda: super(Flaky, self).replace(changes))

    def _answered(self, call: Callable[[], list]) -> list:  # type: ignore[type-arg]
        if not self.lost:
            return call()
        self.lost -= 1
        if not self.deaf:
            call()
        raise BackendUnreachable("no answer")


@pytest.fixture
def backend() -> Flaky:
    return Flaky()


@pytest.fixture
def client(backend: Flaky) -> Client:
    return Client(backend, wait=lambda _seconds: None)


def draft(queue: str = "q", **fields: object) -> Draft:
    return Drafter(Settings(), queue, Line(payload=b"", **fields)).plain(b"{}")  # type: ignore[arg-type]


def kill(backend: MemoryBackend, count: int) -> list[str]:
    backend.insert([draft() for _ in range(count)])
    consumer = Consumer(backend)
    jobs = consumer.claim(["q"], count)
    consumer.write([consumer.settle(job, Outcome("permanent", error="no")) for job in jobs])
    return [job.id for job in jobs]


# --- enqueuing ---


@pytest.mark.parametrize("deaf", [False, True])
def test_a_lost_answer_makes_neither_two_jobs_nor_none(backend: Flaky, client: Client, deaf: bool) -> None:
    backend.lost, backend.deaf = 1, deaf
    drafts = [draft(), draft(dedup_key="k"), draft(dedup_key="k")]
    answers = client.enqueue(drafts)
    assert [answer.status for answer in answers] == ["created", "created", "duplicate"]
    assert answers[2].id == drafts[1].job.id
    assert backend.counts(["q"])[0].states["ready"] == 2


def test_an_id_that_was_there_before_is_a_duplicate_when_every_answer_arrives(backend: Flaky, client: Client) -> None:
    one = draft()
    client.enqueue([one])
    assert client.enqueue([one])[0].status == "duplicate"


def test_a_store_that_stays_silent_is_an_error_after_a_few_tries(backend: Flaky, client: Client) -> None:
    backend.lost, backend.deaf = 100, True
    with pytest.raises(BackendUnreachable):
        client.enqueue([draft()])
    assert backend.lost == 100 - 1 - len(RESEND_AFTER)


# --- looking ---


def test_an_unknown_queue_is_told_from_an_empty_one(backend: Flaky) -> None:
    client = Client(backend, Settings(queues={"planned": Settings().defaults}))
    backend.insert([draft("used")])
    used, planned, unknown = client.look(["used", "planned", "usd"])
    assert (used.states["ready"], planned.states["ready"]) == (1, 0)  # type: ignore[union-attr]
    assert isinstance(unknown, NotFound)
    assert "did you mean used?" in str(unknown)


def test_all_pages_of_a_state_are_listed_once(backend: Flaky, client: Client) -> None:
    ids = [answer.id for answer in client.enqueue([draft() for _ in range(450)])]
    assert [job.id for job in client.jobs("q", "ready")] == ids
    assert [job.id for job in client.jobs("q", "ready", reverse=True)] == ids[::-1]


# --- bulk changes ---


def bulk(client: Client, results: list[Result], make: Callable[..., Change] = lifecycle.requeue) -> Bulk:
    return Bulk(client, make, results.extend)


def failures(results: list[Result]) -> dict[str, type]:
    return {result.id: type(result.error) for result in results if result.error is not None}


def test_a_lost_answer_of_a_change_counts_as_changed(backend: Flaky, client: Client) -> None:
    ids = kill(backend, 3)
    backend.lost = 1
    results: list[Result] = []
    bulk(client, results).named("q", ids)
    assert [result.id for result in results if result.error is None] == ids


def test_a_job_that_changed_between_look_and_write_is_looked_at_again(backend: Flaky, client: Client) -> None:
    ids = kill(backend, 3)

    def meanwhile() -> None:
        [job] = backend.get("q", [ids[1]])
        assert job is not None
        note = lifecycle.requeue(job, "m1")
        assert note.job is not None
        # Somebody else requeues it, and it dies again: it is dead still, but another version of itself.
        MemoryBackend.replace(backend, [note])
        [claimed] = backend.claim(Claim(("q",), 1, "w", 1_000, "n")).jobs
        consumer = Consumer(backend)
        MemoryBackend.replace(backend, [consumer.settle(claimed, Outcome("permanent", error="again"))])

    backend.before_replace = meanwhile
    results: list[Result] = []
    bulk(client, results).named("q", ids)
    assert failures(results) == {}
    assert {result.id for result in results} == set(ids)
    assert backend.counts(["q"])[0].states["ready"] == 3


def test_a_job_that_is_gone_meanwhile_is_reported_when_it_was_named(backend: Flaky, client: Client) -> None:
    ids = kill(backend, 2)

    def meanwhile() -> None:
        [job] = backend.get("q", [ids[0]])
        assert job is not None
        MemoryBackend.replace(backend, [lifecycle.remove(job, "gone")])

    backend.before_replace = meanwhile
    results: list[Result] = []
    bulk(client, results).named("q", ids)
    assert failures(results) == {ids[0]: NotFound}


def test_a_job_that_was_moved_meanwhile_is_passed_over_when_all_were_meant(backend: Flaky, client: Client) -> None:
    ids = kill(backend, 2)

    def meanwhile() -> None:
        [job] = backend.get("q", [ids[0]])
        assert job is not None
        MemoryBackend.replace(backend, [lifecycle.requeue(job, "other")])

    backend.before_replace = meanwhile
    results: list[Result] = []
    bulk(client, results).every("q", "dead", 10, lambda _job: True)
    assert [(result.id, result.error) for result in results] == [(ids[1], None)]


def test_a_change_that_does_not_apply_is_refused_by_name(backend: Flaky, client: Client) -> None:
    [answer] = client.enqueue([draft()])
    results: list[Result] = []
    bulk(client, results).named("q", [answer.id, "nonsense", new_id()])
    found = failures(results)
    assert issubclass(found[answer.id], Conflict)
    assert list(found.values()).count(NotFound) == 2


def test_no_more_than_was_counted_is_changed(backend: Flaky, client: Client) -> None:
    kill(backend, 450)
    results: list[Result] = []
    bulk(client, results).every("q", "dead", 300, lambda _job: True)
    assert len(results) == 300


def test_a_pace_spreads_jobs_over_time() -> None:
    now, waits = [0.0], []

    def wait(seconds: float) -> None:
        waits.append(round(seconds, 3))
        now[0] += seconds

    pace = Pace(10, clock=lambda: now[0], wait=wait)
    for _ in range(3):
        pace.spend(pace.batch)
    assert (pace.batch, waits) == (10, [1.0, 1.0])
    assert Pace(0.5).batch == 1
    assert Pace(None).batch > 100
