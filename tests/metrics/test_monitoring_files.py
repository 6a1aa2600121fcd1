"""The dashboard, the alert rules and the documentation name only metrics that there are, and the documentation names all."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families as parsed

from tests.cli.program import Program, until
from tests.server.asking import ask

DOCS = Path(__file__).parents[2] / "docs"
METRIC = re.compile(r"\b(?:jq|process)_[a-z_]+\b")
SELECTOR = re.compile(r"\b(jq_[a-z_]+)\{([^}]*)\}")
ENDINGS = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}
TARGET = {"job", "instance"}
"""Labels that Prometheus adds."""


class Shown:
    """What the pages of a running worker with a hook, and its server, show: names of metrics, and the labels of each."""

    def __init__(self, pages: list[bytes]) -> None:
        families = [family for page in pages for family in parsed(page.decode())]
        self.names = {family.name + end for family in families for end in ENDINGS[family.type]}
        self.labels: dict[str, set[str]] = {}
        for sample in (sample for family in families for sample in family.samples):
            self.labels.setdefault(sample.name, set()).update(sample.labels)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    home = tmp_path_factory.mktemp("worker")
    config = home / "jq.yaml"
    config.write_text("hooks: {audit: {kind: webhook, url: 'http://127.0.0.1:9/', allow_private: true}}\n")
    jq = Program(home, "memory")
    jq.env["JQ_CONFIG"] = str(config)
    log = home / "log"
    with log.open("wb") as file:
        args = ("--serve", "127.0.0.1:0", "--metrics-port", "0", "--from", "-", "--shell", "true")
        process = jq.start("work", "q", *args, stderr=file)
    try:
        assert process.stdin is not None
        process.stdin.write(b'{"payload": 1}\n')
        process.stdin.close()
        metrics = until(lambda: re.search(r"metrics on (\S+)/metrics", log.read_text()), "the worker says where")[1]
        server = until(lambda: re.search(r" on (http://\S+) \(", log.read_text()), "the server says where")[1]
        until(lambda: b"jq_job_run_seconds_count{" in ask(metrics, "GET", "/metrics").body, "a job ran")
        yield Shown([ask(url, "GET", "/metrics").body for url in (metrics, server)])
    finally:
        process.kill()
        process.wait()


def expressions(value: Any) -> Iterator[str]:
    """Every expression in a dashboard."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in ("expr", "query") and isinstance(inner, str):
                yield inner
            yield from expressions(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from expressions(inner)


def rules() -> list[dict[str, Any]]:
    """The alert rules."""
    return [rule for group in yaml.safe_load((DOCS / "alerts.yml").read_text())["groups"] for rule in group["rules"]]


DASHBOARD = json.loads((DOCS / "grafana.json").read_text())
QUERIES = [*expressions(DASHBOARD), *(rule["expr"] for rule in rules())]


def unknown(text: str, shown: Shown) -> set[str]:
    return {name for name in METRIC.findall(text) if name not in shown.names and not name.endswith("_")}


def test_every_metric_in_a_query_is_shown(shown: Shown) -> None:
    assert {name for query in QUERIES for name in unknown(query, shown)} == set()
    assert len({name for query in QUERIES for name in METRIC.findall(query)}) > 20


def test_every_label_in_a_query_is_one_of_its_metric(shown: Shown) -> None:
    wrong = [
        (name, label)
        for query in QUERIES
        for name, selector in SELECTOR.findall(query)
        if name in shown.labels
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector)
        if label not in shown.labels[name] | TARGET
    ]
    assert wrong == []


VARIABLES = {"$__rate_interval": "5m", "$__interval": "1m", "$__range": "1h"}
"""What Grafana puts in place of its own; `$job` and `$queue` stand within quotes."""


def promql(query: str) -> str:
    """A query of the dashboard as Prometheus gets it; of a variable's query the series that it looks for."""
    for name, value in VARIABLES.items():
        query = query.replace(name, value)
    labels = re.fullmatch(r"label_values\((.*), \w+\)", query)
    return labels[1] if labels else query


@pytest.mark.parametrize("query", sorted(set(QUERIES)))
def test_a_query_is_promql_of_the_right_types(query: str) -> None:
    parsed_query = promql_parser.parse(promql(query))
    assert not isinstance(parsed_query, promql_parser.MatrixSelector | promql_parser.StringLiteral)


@pytest.mark.parametrize(
    "query", ["rate(jq_queue_jobs)", "1 + jq_workers[5m]", "sum(jq_workers", "jq_workers{queue=q}"]
)
def test_what_is_no_promql_would_be_found(query: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        promql_parser.parse(query)


def test_the_rules_are_whole() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names) > 10
    for rule in rules():
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"\d+[smhd]", rule.get("for", "1m"))
        assert rule["labels"]["severity"] in ("info", "warning", "critical")
        assert rule["annotations"]["summary"].endswith(".")


def test_the_panels_of_the_dashboard_have_places_of_their_own() -> None:
    panels = DASHBOARD["panels"]
    assert (
        len({panel["id"] for panel in panels})
        == len({panel["title"] + panel["type"] for panel in panels})
        == len(panels)
    )
    taken: set[tuple[int, int]] = set()
    for place in (panel["gridPos"] for panel in panels):
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert taken.isdisjoint(cells)
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_the_documentation_names_every_metric_and_no_other(shown: Shown) -> None:
    text = (DOCS / "metrics.md").read_text()
    assert unknown(text, shown) - histograms(shown) == set()
    told = set(METRIC.findall(text))
    ours = {name for name in shown.names if name.startswith("jq_")}
    assert {
        name for name in ours if name not in told and re.sub(r"_(bucket|count|sum)$", "", name) not in told
    } == set()


def histograms(shown: Shown) -> set[str]:
    return {name.removesuffix("_bucket") for name in shown.names if name.endswith("_bucket")}


def test_the_examples_of_the_documentation_are_yaml_and_json() -> None:
    blocks = re.findall(r"^```(yaml|json)\n(.*?)^```", (DOCS / "metrics.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 4
    for kind, text in blocks:
        assert (yaml.safe_load if kind == "yaml" else json.loads)(text)
