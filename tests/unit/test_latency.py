"""Times within which so many of a hundred jobs were taken and done."""

import pytest

from jq_cli.job import Job
from jq_cli.latency import FIELDS, latencies, percentile


def job(wait: int, run: int) -> Job:
    return Job(ready_at=1_000, started_at=1_000 + wait, finished_at=1_000 + wait + run)


@pytest.mark.parametrize(
    ("values", "part", "expected"),
    [
        ([7], 50, 7), ([7], 99, 7), ([1, 2], 50, 1), ([1, 2], 95, 2), ([1, 2, 3], 50, 2),
        (list(range(1, 101)), 50, 50), (list(range(1, 101)), 95, 95), (list(range(1, 101)), 99, 99),
        (list(range(1, 102)), 99, 100), (list(range(1, 1_001)), 99, 990),
    ],
)  # fmt: skip
def test_so_many_of_a_hundred_do_not_exceed_it(values: list[int], part: int, expected: int) -> None:
    assert percentile(values, part) == expected / 1_000
    assert sum(value <= expected for value in values) * 100 >= part * len(values)


def test_waiting_and_running_are_told_apart() -> None:
    told = latencies([job(wait=number, run=10 * number) for number in (3, 1, 2)])
    assert list(told) == list(FIELDS)
    assert (told["latency_jobs"], told["wait_p50"], told["wait_p99"], told["run_p50"], told["run_p95"]) == (
        3, 0.002, 0.003, 0.02, 0.03,
    )  # fmt: skip


def test_a_job_that_never_ran_does_not_count_and_no_time_is_negative() -> None:
    assert latencies([Job(finished_at=5), Job(started_at=5)]) == dict.fromkeys(FIELDS) | {"latency_jobs": 0}
    assert latencies([Job(ready_at=9, started_at=5, finished_at=4)])["wait_p50"] == 0
