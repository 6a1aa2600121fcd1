"""Where the programs `jq` and `jobq`, and `python -m jq_cli`, begin and end."""

import gc
import os
import sys
from contextlib import suppress


def main() -> None:
    """Run the command line of this process and end it with the exit code. Does not return."""
    try:
        # Starting is most of what a short command does: looking for garbage among modules is a tenth of it.
        gc.disable()
        from jq_cli.cli.root import run

        gc.freeze()
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
