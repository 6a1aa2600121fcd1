"""What Linux tells about running processes, for benchmarks: families, memory, processor time."""

import os
from pathlib import Path


def descendants_of(parent: int) -> list[int]:
    """All processes below one; none when it has ended."""
    found = []
    for task in Path(f"/proc/{parent}/task").glob("*/children"):  # a thread may have the children
        try:
            children = [int(pid) for pid in task.read_text().split()]
        except OSError:  # that thread ended
            continue
        found += children + [each for child in children for each in descendants_of(child)]
    return found


def cpu_seconds(pid: int) -> float:
    """Processor time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def pss(pid: int) -> float:
    """MiB of memory, shared pages divided among those who share them."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(next(line for line in rollup.splitlines() if line.startswith("Pss:")).split()[1]) / 1024
