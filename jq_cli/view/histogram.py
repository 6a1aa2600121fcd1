"""How times spread, as lines of text: a bar for each range of milliseconds, each range longer than the one before. Pure."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

STEPS = (1, 2, 5)
BAR = 50
"""Characters of the longest bar."""


def histogram(seconds: Sequence[float], *, block: str = "#", width: int = BAR) -> list[str]:
    """Lines such as `0.5..1 ms   12  ####`, from the range of the shortest time to that of the longest; none without times."""
    if not seconds:
        return []
    times = sorted(time * 1_000 for time in seconds)
    edges = _edges(times[0], times[-1])
    counts = [sum(low <= time < high for time in times) for low, high in edges]
    names = [f"{low:g}..{high:g} ms" for low, high in edges]
    most, left = max(counts), max(map(len, names))
    digits = len(str(most))
    return [
        f"{name:>{left}}  {count:>{digits}}  {block * -(-count * width // most)}".rstrip()
        for name, count in zip(names, counts, strict=True)
    ]


def _edges(least: float, most: float) -> list[tuple[float, float]]:
    """Ranges between 1, 2 and 5 times powers of ten that hold all from the least to the most."""
    edges: list[float] = []
    for edge in _marks():
        if edge <= least:
            edges = [edge]
        else:
            edges.append(edge)
        if edge > most:
            break
    return list(pairwise(edges))


def _marks() -> Iterator[float]:
    yield 0.0
    power = -3
    while True:
        yield from (float(f"{step}e{power}") for step in STEPS)
        power += 1
