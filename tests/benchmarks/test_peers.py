"""The comparison with peers: its harness with our own adapter at a tiny size, and the tables it makes. No peer is installed."""

import dataclasses
import json
from pathlib import Path

import pytest

from benchmarks.peers import __main__ as program
from benchmarks.peers import table
from benchmarks.peers.adapter import ADAPTERS
from benchmarks.peers.catalogue import PEERS, SQLITE, Peer
from benchmarks.peers.environments import Unavailable, prepare
from benchmarks.peers.row import Row
from benchmarks.peers.sizes import TINY
from benchmarks.peers.stores import Stores

OURS = next(peer for peer in PEERS if peer.ours and peer.store == SQLITE)
TOO_NEW = Peer("future", "Redis", "rq_adapter.py", ("rq",), "a|b", "no", "as it comes", python=(3, 99))
MEASURED = {"one", "bulk", "drain", "bytes", "memory", "latency", "look"}


def row(peer: Peer, **figures: list[float]) -> Row:
    made = Row(peer, 1, Stores(Path()), Path(), Path(), TINY)
    made.figures |= figures
    made.about = {"versions": {"it": "1.2"}, "pool": True, "look": None}
    return made


def lines(text: str, name: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(f"| {name} |")]


def test_our_own_row_is_measured_killed_and_told_beside_one_that_could_not_run(tmp_path: Path) -> None:
    rows, facts = program.measure([OURS, TOO_NEW], TINY, tmp_path, servers=False)
    ours, future = rows
    assert ours.reason == "", ours.notes
    assert ours.figures.keys() == MEASURED | {"process"}
    assert all(value > 0 for values in ours.figures.values() for value in values)
    assert len(ours.figures["latency"]) == TINY.latencies
    assert ours.notes == {"pool": f"not within {TINY.recovery_seconds:.0f} s"}  # a lease lasts longer
    assert future.reason == "needs Python 3.99 or newer"
    told = json.loads(table.as_json(rows, facts))["rows"]
    assert [each["reason"] for each in told] == ["", "needs Python 3.99 or newer"]
    assert told[0]["figures"] == ours.figures
    speed, cost, promises = lines(table.markdown(rows, facts), "future")
    assert "not run: needs Python 3.99 or newer" in speed
    assert "not run" in cost
    assert "a/b" in promises


def test_a_cell_has_the_median_with_its_spread_or_says_what_went_wrong() -> None:
    whole = row(OURS, drain=[12_345.0, 900.4, 45_678.0], latency=[float(n) for n in range(1, 101)], process=[0.0123])
    whole.notes["bulk"] = "no such call"
    [speed, cost, promises] = lines(table.markdown([whole], {"Date": "today"}), "**jq**")
    cells = [cell.strip() for cell in speed.split("|")]
    assert cells[3:7] == ["12,300 (900..45,700)", "–", "no such call", "50.0 / 99.0"]
    assert "| 0.012 |" in cost
    assert "| it 1.2 |" in promises


def test_the_fastest_row_comes_first_whoever_it_is() -> None:
    peer = dataclasses.replace(TOO_NEW, name="peer")
    text = table.markdown([row(OURS, drain=[10.0]), row(peer, drain=[20.0])], {})
    assert text.index("| peer |") < text.index("| **jq** |")


def test_a_result_replaces_the_one_before_in_a_document(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text(f"above\n{program.BEGIN}\nold\n{program.END}\nbelow\n")
    program.put_into(document, "new\n")
    assert document.read_text() == f"above\n{program.BEGIN}\n\nnew\n\n{program.END}\nbelow\n"
    document.write_text("no marks")
    with pytest.raises(SystemExit, match="no place for the result"):
        program.put_into(document, "new\n")


def test_the_page_of_the_benchmark_has_a_place_for_the_result() -> None:
    text = (program.ROOT / "docs" / "benchmarks.md").read_text()
    assert text.index(program.BEGIN) < text.index(program.END)


def test_a_peer_for_node_needs_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    [bullmq] = [peer for peer in PEERS if peer.name == "bullmq"]
    with pytest.raises(Unavailable, match="needs node and npm"):
        prepare(bullmq, tmp_path)


def test_peers_that_cannot_be_installed_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program.install([OURS, TOO_NEW], tmp_path)
    assert capsys.readouterr().err == "future: needs Python 3.99 or newer\n"


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: f"{peer.name} on {peer.store}")
def test_each_peer_has_its_adapter_and_states_what_it_promises(peer: Peer) -> None:
    assert (ADAPTERS / peer.adapter).is_file()
    assert peer.holds
    assert peer.fenced
    assert peer.how
