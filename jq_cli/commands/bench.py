"""`jq bench`: measure a store and the pool of workers on it."""

import os
import platform
import sys
from collections.abc import Sequence
from typing import Any

import click
from msgspec.structs import replace

from jq_cli import __version__
from jq_cli.bench.sample import Figure, Subject
from jq_cli.bench.sizes import Sizes
from jq_cli.bench.suite import MEASURES, Bench, Samples, figures, subjects
from jq_cli.cli import options
from jq_cli.cli.confirm import confirm_in_production
from jq_cli.cli.interrupts import Interrupts
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session
from jq_cli.draft import MAX_PAYLOAD
from jq_cli.durations import parse_duration
from jq_cli.errors import UsageError
from jq_cli.view.bar import Bar
from jq_cli.view.histogram import histogram
from jq_cli.view.output import Answer, Form, Listing, emit, pretty_json

HELP = f"""Measure a store and the pool of workers on it: all of these, or those named.

{", ".join(MEASURES)}

Works in a namespace of its own, which is removed afterwards, and tells no hooks. Rates are medians of the rounds, in which the
measures take turns. docs/bench.md says what each figure means."""

LISTING = Listing(
    fields=(
        "measure", "batch", "processes", "jobs", "per_s", "per_s_min", "per_s_max", "p50_ms", "p99_ms", "max_ms",
        "requests_per_job", "rounds",
    ),
    columns=("measure", "batch", "processes", "jobs", "per_s", "per_s_min", "per_s_max", "p50_ms", "p99_ms"),
    id="measure",
    heads={"per_s": "jobs/s", "per_s_min": "least", "per_s_max": "most", "p50_ms": "p50 ms", "p99_ms": "p99 ms"},
    whole=frozenset({"measure"}),
)  # fmt: skip
WITH_REQUESTS = (*LISTING.columns, "requests_per_job")
SPREAD = ("enqueue", "wake", "recovery")
"""Measures whose times are shown as a histogram."""


@options.command("bench", HELP)
@click.argument("measures", nargs=-1, type=click.Choice(MEASURES), metavar="[MEASURE]...")
@click.option("--jobs", type=click.IntRange(1, 10_000_000), default=10_000, help="Jobs of a measurement (10000).")
@click.option("--batch", metavar="N,N", default="1,10,100", help="Jobs claimed and settled at once (1,10,100).")
@click.option("--processes", metavar="N,N", default="1,2", help="Children of the pool (1,2).")
@click.option("--payload-size", type=click.IntRange(2, MAX_PAYLOAD), default=200, help="Bytes of a payload (200).")
@click.option("--rounds", type=click.IntRange(1, 1_000), default=3, help="How often each is measured (3).")
@click.option("--max-time", metavar="DURATION", default="3s", help="The end of a measurement that takes longer (3s).")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, with every round.")
@click.option(
    "--histogram/--no-histogram", default=None, help="How latencies spread; on a terminal unless told not to."
)
@click.option("--yes", is_flag=True, help="Measure in production too.")
@pass_session
def command(session: Session, /, measures: tuple[str, ...], **given: Any) -> None:
    """Measure, and print what came of it."""
    sizes = _sizes(given)
    confirm_in_production(session, "put the load of a benchmark on the store", yes=given["yes"])
    chosen = subjects(measures or MEASURES, sizes)
    rounds, url = _measure(session, chosen, sizes, given["rounds"])
    found = figures(rounds)
    if given["as_json"]:
        print(pretty_json(_document(url, sizes, given["rounds"], found)))
    else:
        _print(session, found, histograms=given["histogram"])


def _measure(session: Session, chosen: Sequence[Subject], sizes: Sizes, rounds: int) -> tuple[list[Samples], str]:
    from jq_cli.bench.space import own_space

    results: list[Samples] = []
    with (
        Bar(color=session.color != "never") as bar,
        Interrupts() as interrupts,
        own_space(session, interrupts) as space,
    ):
        bench = Bench(space, sizes)
        bench.warm_up()
        for n in range(rounds):
            results.append([])
            for done, subject in enumerate(chosen):
                bar.step(f"round {n + 1}: {subject}", None, n * len(chosen) + done, rounds * len(chosen))
                results[-1] += bench.measure(subject)
    return results, space.backend.url


def _sizes(given: dict[str, Any]) -> Sizes:
    most = parse_duration(given["max_time"], "--max-time") / 1_000
    if not 0.01 <= most <= 3_600:
        raise UsageError(f"--max-time: expected 10ms to 1h, got {given['max_time']}")
    return Sizes(
        jobs=given["jobs"],
        batches=_numbers(given["batch"], "--batch", 1_000),
        processes=_numbers(given["processes"], "--processes", 1_024),
        payload=given["payload_size"],
        most=most,
    )


def _numbers(text: str, option: str, most: int) -> tuple[int, ...]:
    try:
        numbers = tuple(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        raise UsageError(f"{option}: expected whole numbers such as 1,10, got {text[:40]!r}") from None
    for number in numbers:
        if not 1 <= number <= most:
            raise UsageError(f"{option}: expected 1 to {most:,}, got {number}")
    return numbers


def _document(url: str, sizes: Sizes, rounds: int, found: Sequence[Figure]) -> dict[str, Any]:
    sizes_given = {name: getattr(sizes, name) for name in Sizes.__struct_fields__}
    return {
        "store": url,
        "jq": __version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "processors": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "options": {"rounds": rounds, **sizes_given},
        "figures": [figure.record for figure in found],
    }


def _print(session: Session, found: Sequence[Figure], *, histograms: bool | None) -> None:
    form = Form(color=session.color)
    records = [figure.record for figure in found]
    counted = any(record["requests_per_job"] is not None for record in records)
    listing = replace(LISTING, columns=WITH_REQUESTS) if counted else LISTING
    emit(listing, Answer(records, 0), form)
    if form.terminal if histograms is None else histograms:
        _print_histograms(found, block="█" if "utf" in (sys.stdout.encoding or "").lower() else "#")


def _print_histograms(found: Sequence[Figure], *, block: str) -> None:
    for figure in found:
        if figure.subject.measure in SPREAD and figure.times:
            print(f"\n{figure.subject}")
            print("\n".join(histogram(figure.times, block=block)))
