"""`make bench`: measures every peer in interleaved rounds and prints the tables. `make bench ARGS=--help` names the options."""

import argparse
import dataclasses
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.peers import recovery, table  # noqa: E402
from benchmarks.peers.catalogue import PEERS, Peer  # noqa: E402
from benchmarks.peers.environments import Unavailable, prepare  # noqa: E402
from benchmarks.peers.row import Row  # noqa: E402
from benchmarks.peers.sizes import FULL, QUICK, Sizes  # noqa: E402
from benchmarks.peers.stores import Stores  # noqa: E402

ENVIRONMENTS = ROOT / "build" / "peers"
BEGIN, END = "<!-- result: begin -->", "<!-- result: end -->"


def measure(
    peers: Iterable[Peer], sizes: Sizes, environments: Path = ENVIRONMENTS, *, kill: bool = True, servers: bool = True
) -> tuple[list[Row], dict[str, str]]:
    """The rows, and facts about the machine, the run and, if wanted, the servers."""
    began, load = time.monotonic(), os.getloadavg()[0]
    environments.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="jq-peers-", ignore_cleanup_errors=True) as name,
        Stores(Path(name)) as stores,
    ):
        places = count(1)
        rows = [Row(peer, next(places), stores, Path(name), environments, sizes) for peer in peers]
        for row in rows:
            say(f"trial: {row.peer.name} on {row.peer.store}")
            row.prepare()
            if row.reason:
                say(f"  not run: {row.reason}")
        for number in range(1, sizes.rounds + 1):
            for row in _able(rows):
                say(f"round {number} of {sizes.rounds}: {row.peer.name} on {row.peer.store}")
                try:
                    row.round()
                except Unavailable as error:
                    row.reason = str(error)
        if kill:
            recovery.measure(list(_able(rows)), sizes.recovery_seconds, say)
        facts = _facts(sizes, load, time.monotonic() - began) | (stores.versions() if servers else {})
    return rows, facts


def install(peers: Iterable[Peer], environments: Path = ENVIRONMENTS) -> None:
    """Only make the environments."""
    environments.mkdir(parents=True, exist_ok=True)
    for peer in peers:
        try:
            prepare(peer, environments)
        except Unavailable as error:
            say(f"{peer.name}: {error}")


def _able(rows: list[Row]) -> Iterator[Row]:
    return (row for row in rows if not row.reason)


def say(text: str) -> None:
    """Tell whoever waits."""
    print(text, file=sys.stderr, flush=True)


def _facts(sizes: Sizes, load: float, seconds: float) -> dict[str, str]:
    return {
        "Date": time.strftime("%Y-%m-%d"),
        "Machine": f"{os.cpu_count()} processors ({_processor()}), {platform.system()} {platform.release()}",
        "Python": platform.python_version() + " (peers that need a newer one use that)",
        "Run": f"median (least..greatest) of {sizes.rounds} interleaved rounds, {seconds / 60:.0f} minutes, "
        f"load average {load:.1f} before it",
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def put_into(document: Path, result: str) -> None:
    """Replace what stands between the marks of a document."""
    text = document.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{document}: no place for the result; it goes between {BEGIN} and {END}")
    document.write_text(f"{before}{BEGIN}\n\n{result}\n{END}{after}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS=...", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of smaller measures")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds, 3 unless given")
    parser.add_argument("--only", metavar="NAMES", help="these peers alone, with commas between")
    parser.add_argument("--without", metavar="NAMES", default="", help="not these peers")
    parser.add_argument("--install", action="store_true", help="only install the peers, and measure nothing")
    parser.add_argument("--no-kill", action="store_true", help="measure no recovery")
    parser.add_argument("--recovery-limit", type=float, metavar="SECONDS", help="how long to wait for a killed job")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything measured here")
    parser.add_argument("--into", type=Path, metavar="FILE", help="also put the tables into this document")
    return parser.parse_args()


def _chosen(arguments: argparse.Namespace) -> list[Peer]:
    only = set(arguments.only.split(",")) if arguments.only else {peer.name for peer in PEERS}
    only -= set(arguments.without.split(","))
    unknown = only - {peer.name for peer in PEERS}
    if unknown:
        raise SystemExit(f"no such peer: {', '.join(sorted(unknown))}; there are {', '.join(p.name for p in PEERS)}")
    return [peer for peer in PEERS if peer.name in only]


def _sizes(arguments: argparse.Namespace) -> Sizes:
    sizes = QUICK if arguments.quick else FULL
    given = {"rounds": arguments.rounds, "recovery_seconds": arguments.recovery_limit}
    return dataclasses.replace(sizes, **{name: value for name, value in given.items() if value is not None})


def main() -> None:
    """Measure and tell."""
    arguments = _arguments()
    if arguments.install:
        install(_chosen(arguments))
        return
    rows, facts = measure(_chosen(arguments), _sizes(arguments), kill=not arguments.no_kill)
    result = table.markdown(rows, facts)
    print(result)
    if arguments.json:
        arguments.json.write_text(table.as_json(rows, facts))
    if arguments.into:
        put_into(arguments.into, result)


if __name__ == "__main__":
    main()
