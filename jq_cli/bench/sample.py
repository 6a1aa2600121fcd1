"""What was measured: samples, and the figures that several of them come to. Pure."""

from collections.abc import Sequence
from statistics import median

import msgspec


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What a figure is about: the measure, and the sizes it was taken with where there is a choice."""

    measure: str
    batch: int | None = None
    processes: int | None = None

    def __str__(self) -> str:
        sizes = [f"batch {self.batch}"] if self.batch else []
        sizes += [f"{self.processes} process{'es' if self.processes > 1 else ''}"] if self.processes else []
        return ", ".join([self.measure, *sizes])


class Sample(msgspec.Struct, frozen=True):
    """One measurement: how many jobs in how many seconds, how long each call or job took (seconds), and how many requests the
    store made for it, where it counts them."""

    jobs: int
    seconds: float
    times: list[float]
    requests: int | None = None

    @property
    def rate(self) -> float:
        """Jobs a second."""
        return self.jobs / self.seconds if self.seconds else 0.0


class Figure(msgspec.Struct, frozen=True):
    """What some samples of one subject come to. `rates`: whether jobs a second say something about it."""

    subject: Subject
    samples: list[Sample]
    rates: bool = True

    @property
    def times(self) -> list[float]:
        """All times of all samples, sorted."""
        return sorted(time for sample in self.samples for time in sample.times)

    @property
    def record(self) -> dict[str, object]:
        """The figure as the command shows it; times in milliseconds."""
        rates = [sample.rate for sample in self.samples] if self.rates else []
        jobs = sum(sample.jobs for sample in self.samples)
        requests = [sample.requests for sample in self.samples if sample.requests is not None]
        return {
            "measure": self.subject.measure,
            "batch": self.subject.batch,
            "processes": self.subject.processes,
            "jobs": jobs,
            "per_s": rounded(median(rates)) if rates else None,
            "per_s_min": rounded(min(rates)) if rates else None,
            "per_s_max": rounded(max(rates)) if rates else None,
            "p50_ms": milliseconds(self.times, 0.50),
            "p99_ms": milliseconds(self.times, 0.99),
            "max_ms": milliseconds(self.times, 1.0),
            "requests_per_job": round(sum(requests) / jobs, 3) if requests and jobs else None,
            "rounds": [_round(sample, rates=self.rates) for sample in self.samples],
        }


def _round(sample: Sample, *, rates: bool) -> dict[str, object]:
    times = sorted(sample.times)
    figures = {"p50_ms": milliseconds(times, 0.50), "p99_ms": milliseconds(times, 0.99)}
    return {"jobs": sample.jobs, "per_s": rounded(sample.rate) if rates else None, **figures}


def percentile(ordered: Sequence[float], part: float) -> float:
    """The least of some sorted values that at least this part (0..1) of them do not exceed. Raises IndexError without values."""
    return ordered[max(0, min(len(ordered), -int(-part * len(ordered) // 1)) - 1)]


def milliseconds(ordered: Sequence[float], part: float) -> float | None:
    """A percentile of sorted seconds in milliseconds, None without any."""
    return round(percentile(ordered, part) * 1_000, 3) if ordered else None


def rounded(rate: float) -> float:
    """A rate without digits that mean nothing."""
    return round(rate) if rate >= 100 else round(rate, 2)
