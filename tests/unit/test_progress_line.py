"""What a worker says at its end about what it did."""

import re
from io import StringIO

import pytest

from jq_cli.view.progress_line import ProgressLine
from jq_cli.worker.options import Tally


@pytest.mark.parametrize(
    ("tally", "words"),
    [
        (Tally(succeeded=1_200, failed=2, dead=1), "1,200 succeeded, 2 failed, 1 dead"),
        (Tally(succeeded=1, lost=3), "1 succeeded, 0 failed, 0 dead, 3 lost"),
        (Tally(late=1, interrupted=2), "0 succeeded, 0 failed, 0 dead, 2 interrupted, 1 reported too late"),
    ],
)
def test_the_summary_names_losses_apart_and_only_what_happened_beyond_the_usual(tally: Tally, words: str) -> None:
    stream = StringIO()
    ProgressLine(stream, shown=True).end(tally)
    assert re.fullmatch(rf"jq: {re.escape(words)} in \S+ \([\d,]+/s\)\n", stream.getvalue())
