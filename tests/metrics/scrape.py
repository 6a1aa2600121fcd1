"""Reads what a metrics page says, with the parsers of those who scrape."""

from collections.abc import Iterable

from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as text_format


class Figures:
    """The samples of a page by name and labels."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self.families = {family.name: family for family in families}
        self.samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.families.values()
            for sample in family.samples
        }

    def __call__(self, name: str, **labels: str) -> float:
        """The value of one sample."""
        return self.samples[name, frozenset(labels.items())]

    def sum(self, name: str) -> float:
        """The values of all samples of that name."""
        return sum(value for (each, _), value in self.samples.items() if each == name)

    @property
    def names(self) -> set[str]:
        """The names of all samples."""
        return {name for name, _ in self.samples}


def plain(body: bytes) -> Figures:
    """A page in the Prometheus text format."""
    return Figures(text_format(body.decode()))


def strict(body: bytes) -> Figures:
    """A page in OpenMetrics, whose parser refuses what is not right."""
    return Figures(open_metrics(body.decode()))
