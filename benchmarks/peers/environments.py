"""The environment each peer runs in: a virtual environment or a node_modules folder of its own, kept between runs."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.peers.catalogue import Peer

INSTALL_LIMIT = 600
_MOST = 14


class Unavailable(Exception):
    """Why a row cannot be measured, as the table says it."""


def prepare(peer: Peer, folder: Path) -> list[str]:
    """Install what the peer needs below the folder, unless that was done before. Gives the argv to run its adapter with; raises
    Unavailable."""
    if peer.ours:
        return [sys.executable]
    home = folder / peer.environment
    if peer.node:
        return _prepare_node(peer, home)
    python = find_python(peer.python)
    _install(home, peer, [python, "-m", "venv", "--clear", str(home)], _pip(home, peer))
    return [str(home / "bin" / "python")]


def _pip(home: Path, peer: Peer) -> list[str]:
    quiet = ["--quiet", "--disable-pip-version-check"]
    return [str(home / "bin" / "python"), "-m", "pip", "install", *quiet, *peer.requirements]


def _prepare_node(peer: Peer, home: Path) -> list[str]:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise Unavailable("needs node and npm")
    install = [npm, "install", "--no-audit", "--no-fund", "--silent", "--prefix", str(home), *peer.requirements]
    _install(home, peer, ["mkdir", "-p", str(home)], install)
    return [node]


def _install(home: Path, peer: Peer, *commands: list[str]) -> None:
    stamp, wanted = home / "installed", "\n".join(map(str, (*peer.requirements, peer.python)))
    if stamp.exists() and stamp.read_text() == wanted:
        return
    for command in commands:
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_LIMIT)
        except subprocess.TimeoutExpired:
            raise Unavailable(f"was not installed within {INSTALL_LIMIT} s") from None
        if done.returncode != 0:
            raise Unavailable("could not be installed: " + last_line(done.stderr))
    stamp.write_text(wanted)


def find_python(least: tuple[int, int]) -> str:
    """An interpreter of this version or a later one: this one, or one on PATH, or one of pyenv's."""
    if sys.version_info >= least:
        return sys.executable
    for candidate in _candidates(least):
        if subprocess.run([candidate, "-c", "pass"], capture_output=True).returncode == 0:
            return candidate
    raise Unavailable(f"needs Python {least[0]}.{least[1]} or newer")


def _candidates(least: tuple[int, int]) -> Iterator[str]:
    names = [f"python3.{minor}" for minor in range(_MOST, least[1] - 1, -1)]
    yield from filter(None, map(shutil.which, names))
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for name in names:
        yield from map(str, root.glob(f"versions/*/bin/{name}"))


def last_line(text: str) -> str:
    """What a program said at its end, short enough for a table."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:160] if lines else "it said nothing"
