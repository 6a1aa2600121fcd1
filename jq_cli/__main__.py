"""Where the programs `jq` and `jobq`, and `python -m jq_cli`, begin and end."""

import gc
import os
import sys
from contextlib import suppress

LOOK_AFTER = 50_000
"""Objects made and kept until Python looks for garbage among them; its own 700 are met 60 times while psycopg is imported."""


def main() -> None:
    """Run the command line of this process and end it with the exit code. Does not return."""
    try:
        # Starting is most of what a short command does, and looking for garbage among modules is a tenth of it: there is none
        # among those of the command line, and those of a store, loaded later, are fewer objects than the first look waits for.
        gc.disable()
        from jq_cli.cli.root import run

        gc.freeze()
        gc.set_threshold(LOOK_AFTER)
        gc.enable()
        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # outside of what `run` guards
        code = 130
    _end(code)


def _end(code: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    # Everything was closed where it was opened; taking the interpreter apart piece by piece would take as long as a command.
    os._exit(code)


if __name__ == "__main__":
    main()
