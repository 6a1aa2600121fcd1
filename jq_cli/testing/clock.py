"""A clock that stands still until the test moves it."""

START = 1_750_000_000_000
"""Where it starts: some moment in 2025, in ms since the epoch."""


class ManualClock:
    """Gives the same ms since the epoch until `advance` is called. Pass it wherever a `Clock` is wanted."""

    def __init__(self, start: int = START) -> None:
        self.now = start

    def __call__(self) -> int:
        return self.now

    def advance(self, ms: int) -> None:
        """Let so many ms pass."""
        self.now += ms
