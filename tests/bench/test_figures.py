"""What samples come to, and how times are drawn."""

from selectors import DefaultSelector

import pytest

from jq_cli.bench.drain import Drain
from jq_cli.bench.load import filled, text
from jq_cli.bench.sample import Figure, Sample, Subject, percentile
from jq_cli.bench.sizes import Sizes
from jq_cli.bench.suite import MEASURES, figures, subjects
from jq_cli.view.histogram import histogram
from jq_cli.worker.options import Tally

CLAIM = Subject(measure="claim", batch=10)


def test_a_rate_is_the_median_of_the_rounds_with_least_and_greatest() -> None:
    record = Figure(CLAIM, [Sample(100, 1.0, []), Sample(100, 0.5, []), Sample(100, 0.25, [])]).record
    assert [record[name] for name in ("per_s", "per_s_min", "per_s_max", "jobs")] == [200, 100, 400, 300]
    assert [each["per_s"] for each in record["rounds"]] == [100, 200, 400]


@pytest.mark.parametrize(
    ("part", "found"), [(0.0, 1.0), (0.5, 50.0), (0.501, 51.0), (0.99, 99.0), (0.991, 100.0), (1.0, 100.0)]
)
def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed(part: float, found: float) -> None:
    assert percentile([float(n) for n in range(1, 101)], part) == found


def test_the_percentiles_of_a_single_value_are_that_value() -> None:
    assert [percentile([7.0], part) for part in (0.0, 0.5, 0.99, 1.0)] == [7.0] * 4


def test_latencies_are_of_all_rounds_together_in_milliseconds() -> None:
    record = Figure(CLAIM, [Sample(2, 1.0, [0.003, 0.001]), Sample(1, 1.0, [0.002])], rates=False).record
    assert [record[name] for name in ("p50_ms", "p99_ms", "max_ms", "per_s")] == [2.0, 3.0, 3.0, None]


def test_requests_are_counted_for_each_job_where_the_store_counts_them() -> None:
    assert Figure(CLAIM, [Sample(10, 1.0, [], 30), Sample(10, 1.0, [], 10)]).record["requests_per_job"] == 2.0
    assert Figure(CLAIM, [Sample(10, 1.0, [])]).record["requests_per_job"] is None


def test_nothing_done_is_a_rate_of_zero_and_no_latency() -> None:
    record = Figure(CLAIM, [Sample(0, 0.0, [])]).record
    assert (record["per_s"], record["p50_ms"]) == (0.0, None)


def test_samples_of_rounds_are_gathered_by_subject_in_the_order_of_the_first() -> None:
    other = Subject(measure="wake", processes=2)
    first, second = Sample(1, 1.0, []), Sample(2, 1.0, [])
    found = figures([[(CLAIM, first), (other, first)], [(other, second), (CLAIM, second)]])
    assert [(f.subject, f.samples, f.rates) for f in found] == [
        (CLAIM, [first, second], True),
        (other, [first, second], False),
    ]


def test_measures_are_taken_with_each_of_their_sizes() -> None:
    sizes = Sizes(batches=(1, 7), processes=(3,))
    assert list(map(str, subjects(["wake", "claim", "enqueue"], sizes))) == [
        "enqueue",
        "claim, batch 1",
        "claim, batch 7",
        "wake, 3 processes",
    ]
    assert {subject.measure for subject in subjects(MEASURES, sizes)} == set(MEASURES)


@pytest.mark.parametrize("size", [2, 3, 200])
def test_payloads_have_the_size_asked_for(size: int) -> None:
    assert len(text(size)) == size


def test_a_payload_with_fields_is_filled_up_where_there_is_room() -> None:
    assert len(filled({"at": 12345}, 100)) == 100
    assert filled({"at": 12345}, 5) == b'{"at":12345,"x":""}'


def test_a_histogram_has_a_bar_for_each_range_between_the_extremes() -> None:
    times = [0.0004, 0.0011, 0.0012, 0.0013, 0.0014, 0.006]
    assert histogram(times, width=8) == [
        "0.2..0.5 ms  1  ##",
        "  0.5..1 ms  0",
        "    1..2 ms  4  ########",
        "    2..5 ms  0",
        "   5..10 ms  1  ##",
    ]


def test_a_histogram_counts_every_time_once_on_the_edges_too() -> None:
    times = [0.0, 0.000001, 0.001, 0.002, 0.005, 0.01, 1.0, 100.0]
    counts = [int(line.split()[2]) for line in histogram(times)]
    assert sum(counts) == len(times)


def test_a_measured_worker_does_not_sleep_over_outcomes_that_were_not_seen() -> None:
    drain, tally = Drain(jobs=10, most=60.0), Tally()
    drain.tally = lambda: tally
    drain.start(DefaultSelector())
    drain.tick()
    assert drain.patience() > 0
    tally.succeeded = 4
    assert drain.patience() == 0
    drain.tick()
    assert drain.patience() > 0
    tally.succeeded = 9
    drain.tick()
    assert (drain.over, drain.done) == (False, 5)


def test_of_no_times_there_is_no_histogram() -> None:
    assert histogram([]) == []
