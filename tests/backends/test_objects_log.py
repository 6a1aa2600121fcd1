"""The chain of commits: who wins, who comes late, what is swept, and what is noticed."""

from collections.abc import Sequence
from contextlib import suppress

import msgspec
import pytest

from jq_cli.backends.base import Claim
from jq_cli.backends.objects import inserts, log
from jq_cli.backends.objects.backend import ObjectsBackend
from jq_cli.errors import BackendError, BackendFull, BackendUnreachable
from tests.backends.dict_store import DictStore
from tests.backends.objects_jobs import Requests, backend, claim, draft, succeeded, told

GRACE = 900.0


class Time:
    """The clock that says how old a process's knowledge is."""

    def __init__(self) -> None:
        self.now = 5_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    clock = Time()
    monkeypatch.setattr(log, "boot_time", clock)
    return clock


@pytest.fixture
def store() -> DictStore:
    return DictStore()


def work_on(store: DictStore, commits: int, seconds: float = 60.0) -> None:
    """Somebody enqueues and finishes jobs, with so much time between commits."""
    with backend(store.beside()) as jq:
        for _ in range(commits // 3):
            jq.insert([draft(queue="other")])
            jobs = jq.claim(Claim(("other",), 1, "w", 10_000, "n")).jobs
            jq.replace([succeeded(job, retention=0.0) for job in jobs])
            store.pass_time(3 * seconds)


def swept(store: DictStore, number: int) -> bool:
    return f"log/{number:016d}" not in store.objects


def names(store: DictStore, folder: str) -> list[str]:
    return sorted(name for name in store.objects if name.startswith(folder))


# --- meeting others ---


def test_the_second_of_two_that_make_one_commit_sees_the_first_and_makes_the_next(store: DictStore) -> None:
    with backend(store) as one, backend(store.beside()) as two:
        one.insert([draft(dedup_key="k")])
        (answer,) = two.insert([draft(dedup_key="k")])
        assert answer.status == "duplicate"
        one.insert([draft()])
        assert [two.insert([draft()])[0].status for _ in range(2)] == ["created"] * 2
        assert told(one) == told(two)
        assert names(store, "log/") == [f"log/{n:016d}" for n in range(1, 6)]


def test_a_commit_whose_answer_was_lost_is_known_by_its_nonce_and_counts_once(store: DictStore) -> None:
    class Silent(DictStore):
        def create(self, name: str, data: bytes) -> bool:
            # As after a repetition: the first request made the object, the second finds it.
            return super().create(name, data) and not name.startswith("log/")

    silent = Silent()
    silent.objects, silent.modified = store.objects, store.modified
    with backend(silent) as jq, backend(store) as other:
        assert [answer.status for answer in jq.insert([draft(), draft()])] == ["created"] * 2
        (job,) = claim(jq)
        assert jq.replace([succeeded(job)]) == ["applied"]
        assert (other.counts()[0].totals, len(names(store, "log/"))) == ({"enqueued": 2, "succeeded": 1}, 3)


def test_a_call_that_loses_for_too_long_says_busy(store: DictStore, time: Time) -> None:
    rival = backend(store.beside())

    def interfere(request: str, name: str, phase: str) -> None:
        if request == "create" and name.startswith("log/") and phase == "before":
            rival.insert([draft()])
            time.now += 1

    rival.insert([draft()])
    with backend(store.beside(interfere), timeout=5.0) as jq, pytest.raises(BackendUnreachable, match="busy: lost"):
        jq.insert([draft()])
    assert rival.counts()[0].states["ready"] == 6


def test_nobody_looks_before_each_write_while_nobody_else_writes(store: DictStore) -> None:
    requests = Requests()
    with backend(store.beside(requests)) as jq:
        jq.insert([draft()])
        jq.insert([draft()])
        assert requests.during(lambda: jq.insert([draft()])) == {"create": 1}
        assert requests.during(lambda: claim(jq)) == {"create": 1}
        with backend(store.beside()) as other:
            other.insert([draft()])
        assert requests.during(lambda: jq.insert([draft()]))["create"] == 2
        assert requests.during(lambda: jq.insert([draft()])) == {"get": 1, "create": 1}


# --- coming late ---


def test_a_process_that_slept_through_snapshots_and_sweeps_wakes_up_to_the_truth(store: DictStore, time: Time) -> None:
    with backend(store) as sleeper, backend(store.beside()) as reader:
        sleeper.insert([draft()])
        assert reader.queues() == ["q"]
        work_on(store, 400)
        assert swept(store, 2)
        assert swept(store, 3)
        time.now += GRACE
        assert reader.queues() == ["other", "q"]
        assert sleeper.insert([draft()])[0].status == "created"
        with backend(store.beside()) as other:
            assert told(sleeper) == told(other) == told(reader)
            assert other.counts(["q"])[0].totals == {"enqueued": 2}


def test_a_process_frozen_before_its_create_does_not_take_a_swept_number_for_its_own(
    store: DictStore, time: Time
) -> None:
    def freeze(request: str, name: str, phase: str) -> None:
        if (request, phase, name) == ("create", "before", f"log/{3:016d}"):
            work_on(store, 400)
            time.now += GRACE

    with backend(store.beside(freeze)) as frozen:
        frozen.insert([draft()])
        frozen.insert([draft()])
        with pytest.raises(BackendUnreachable, match="stood still"):
            frozen.insert([draft()])
        assert not swept(store, 3)
        assert frozen.insert([draft()])[0].status == "created"
        with backend(store.beside()) as other:
            assert told(frozen) == told(other)
            assert other.counts(["q"])[0].totals == {"enqueued": 3}


def test_data_objects_swept_while_their_writer_stood_still_are_written_again(store: DictStore, time: Time) -> None:
    large = b'"' + b"x" * 100_000 + b'"'

    def freeze(request: str, name: str, phase: str) -> None:
        if (request, phase, name) == ("create", "before", f"log/{2:016d}"):
            for data in names(store, "data/"):
                del store.objects[data]
            time.now += GRACE

    with backend(store.beside(freeze)) as jq:
        jq.insert([draft()])
        jq.insert([draft(large)])
    with backend(store) as other:
        assert [job.payload for job in claim(other, 2)][1] == large


def test_a_reader_whose_job_was_finished_and_swept_meanwhile_gets_the_truth(store: DictStore) -> None:
    large = b'"' + b"x" * 100_000 + b'"'

    def finish(request: str, name: str, phase: str) -> None:
        if request == "spans" and phase == "before" and name in store.objects:
            with backend(store.beside()) as other:
                other.replace([succeeded(job, retention=0.0) for job in claim(other)])
            del store.objects[name]

    with backend(store.beside()) as jq:
        jq.insert([draft(large)])
    with backend(store.beside(finish)) as reader:
        assert reader.page("q", "ready").jobs == []


# --- snapshots and sweeping ---


def test_who_opens_an_old_store_reads_one_snapshot_and_few_commits(store: DictStore) -> None:
    with backend(store) as jq:
        for _ in range(1_000):
            jq.insert([draft()])
    requests = Requests()
    with backend(store.beside(requests)) as late:
        counted = requests.during(lambda: late.counts())
        assert late.counts()[0].states["ready"] == 1_000
    assert counted["listing"] == 1
    assert counted["get"] < 160


def test_a_snapshot_says_the_same_as_the_log(store: DictStore) -> None:
    with backend(store) as jq:
        while not names(store, "snap/"):
            jq.insert([draft(dedup_key=str(len(store.objects)), headers={"a": "b"})])
            jq.replace([succeeded(job) for job in claim(jq)])
            jq.swap("note", next(iter(jq.read("note").values()), None), str(len(store.objects)).encode())
        whole = told(jq)
    with backend(store.beside()) as by_snapshot:
        assert told(by_snapshot) == whole
    for name in names(store, "snap/"):
        del store.objects[name]
    with backend(store.beside()) as by_log:
        assert told(by_log) == whole


def test_sweeping_keeps_what_living_jobs_need_and_little_else(store: DictStore) -> None:
    large = b'"' + b"x" * 100_000 + b'"'
    with backend(store) as jq:
        jq.insert([draft(b'"small"', priority=-1), draft(large, priority=-1)])
        for _ in range(3_000):
            jq.insert([draft()])
            jq.replace([succeeded(job, retention=0.0) for job in claim(jq)])
            store.pass_time(10)
        assert (len(names(store, "log/")) < 600, len(names(store, "data/")), len(names(store, "snap/")) < 10) == (
            True,
            1,
            True,
        )
    with backend(store.beside()) as other:
        assert [job.payload for job in claim(other, 9)] == [b'"small"', large]


def test_nothing_young_is_swept(store: DictStore) -> None:
    work_on(store, 600, seconds=1.0)
    assert not swept(store, 2)
    assert len(names(store, "snap/")) > 3


def test_data_objects_of_writers_that_died_are_swept_once_they_are_old(store: DictStore) -> None:
    store.objects["data/abandoned"], store.modified["data/abandoned"] = b"x", store.time[0]
    work_on(store, 400)
    assert "data/abandoned" not in store.objects


# --- what is noticed ---


def test_a_store_that_ignores_conditions_is_refused_before_anything_is_written() -> None:
    class Careless(DictStore):
        def create(self, name: str, data: bytes) -> bool:
            self.objects[name], self.modified[name] = data, 0.0
            return True

    careless = Careless()
    with backend(careless) as jq:
        with pytest.raises(BackendError, match="ignores conditional writes"):
            jq.insert([draft()])
        with pytest.raises(BackendError, match="ignores conditional writes"):
            jq.check()
    assert careless.objects == {}


def test_a_store_that_cannot_even_delete_is_refused_for_what_was_found_first() -> None:
    class Hopeless(DictStore):
        def create(self, name: str, data: bytes) -> bool:
            self.objects[name] = data
            return True

        def delete(self, names: Sequence[str]) -> None:
            raise BackendError("no such call")

    with backend(Hopeless()) as jq, pytest.raises(BackendError, match="ignores conditional writes"):
        jq.check()


def test_a_store_that_honours_conditions_passes_the_check_and_keeps_no_trace_of_it(store: DictStore) -> None:
    with backend(store) as jq:
        jq.check()
    assert store.objects == {}


@pytest.fixture
def used(store: DictStore) -> DictStore:
    with backend(store) as jq:
        for _ in range(3):
            jq.insert([draft()])
    return store


def opening(store: DictStore) -> ObjectsBackend:
    jq = backend(store.beside())
    jq.counts()
    return jq


def test_a_damaged_commit_is_named(used: DictStore) -> None:
    for damage in (b"", b"{", b"[]\n", b'{"n": 2}\n', b"\xff\xfe"):
        used.objects[f"log/{2:016d}"] = damage
        with pytest.raises(BackendError, match=r"log/0000000000000002 is damaged"):
            opening(used)


def test_a_commit_of_another_log_is_noticed(used: DictStore) -> None:
    with backend(DictStore()) as other:
        for _ in range(2):
            other.insert([draft()])
        used.objects[f"log/{2:016d}"] = other._store.objects[f"log/{2:016d}"]  # type: ignore[attr-defined]
    with pytest.raises(BackendError, match="commit 2 does not follow"):
        opening(used)


def test_a_damaged_snapshot_is_named(used: DictStore) -> None:
    for damage in (b"x", b"{}\n"):
        used.objects[f"snap/{2:016d}"], used.modified[f"snap/{2:016d}"] = damage, 0.0
        with pytest.raises(BackendError, match="damaged"):
            opening(used)


def test_a_log_of_a_newer_version_is_left_alone(used: DictStore) -> None:
    newer = msgspec.json.encode({"n": 4, "nonce": "x", "format": 2, "rows": {"of": "another kind"}})
    for line in (newer, msgspec.json.encode({"n": 4, "nonce": "x", "at": 1, "format": 2})):
        used.objects[f"log/{4:016d}"] = line + b"\n"
        with pytest.raises(BackendError, match="newer version of jq: upgrade"):
            opening(used)


def test_bytes_that_are_gone_though_a_job_lies_in_them_are_an_error_and_no_crash(store: DictStore) -> None:
    with backend(store) as jq:
        jq.insert([draft(b'"' + b"x" * 100_000 + b'"')])
    for name in names(store, "data/"):
        del store.objects[name]
    with backend(store.beside()) as reader:
        with pytest.raises(BackendError, match=r"data/.* is gone"):
            claim(reader)
        assert reader.counts()[0].states["ready"] == 1


def test_a_namespace_takes_no_more_jobs_than_it_can_hold(store: DictStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inserts, "MOST_JOBS", 3)
    with backend(store) as jq:
        jq.insert([draft(), draft()])
        with pytest.raises(BackendFull, match="holds 3 jobs"):
            jq.insert([draft(), draft()])
        assert jq.counts()[0].states["ready"] == 2
        with suppress(BackendFull):
            jq.insert([draft()])
        assert jq.counts()[0].totals == {"enqueued": 3}
