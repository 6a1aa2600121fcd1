"""benchmarks/growth.py at small depths: it measures every call at every depth, and writes its table and its plot."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[2]


def test_a_table_and_a_plot_of_each_store_are_written(tmp_path: Path) -> None:
    (tmp_path / "growth.md").write_text("above\n<!-- result: begin -->\nold\n<!-- result: end -->\nbelow\n")
    command = [sys.executable, str(ROOT / "benchmarks" / "growth.py"), "--into", str(tmp_path)]
    sizes = ["--depths", "200,400", "--rounds", "1", "--stores", "sqlite,redis"]
    done = subprocess.run([*command, *sizes], capture_output=True, text=True, timeout=240, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "growth.md").read_text()
    assert page.startswith("above\n")
    assert page.endswith("below\n")
    assert "old" not in page
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith(("| sqlite", "| redis"))]
    assert len(rows) == 2 * 2 * 4  # stores, ready and delayed, calls
    assert all(cell.endswith(" ms") for row in rows for cell in row[3:5])
    picture = ElementTree.parse(tmp_path / "growth.svg")
    assert len(picture.findall(".//{*}polyline")) == 2 * 5
