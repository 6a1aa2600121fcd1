"""Where the programs `jq` and `jobq`, and `python -m jq_cli`, begin."""

import sys


def main() -> int:
    """Run the command line of this process and give the exit code."""
    try:
        from jq_cli.cli import run

        return run(sys.argv[1:])
    except KeyboardInterrupt:  # before the command line could be read
        return 130


if __name__ == "__main__":
    sys.exit(main())
