"""Plants a bug in a backend: copies its source files into a package of their own, with one passage replaced.

A mutant is the real code but for that passage, so nothing else can be what the kit catches; and a passage that is not found
exactly once is an error, so no mutant outlives the code it was made for."""

import importlib
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import jq_cli.backends

HOME = Path(jq_cli.backends.__file__).parent


@dataclass(frozen=True)
class Mutant:
    """A bug: its name, the backend it lives in, and the passages that make it: (file, code as it is, code with the bug).

    The named tests catch every one. `machine`: a few random runs do so too, on their own. `tests`: part of the names of the
    tests that are tried, where a store is too slow to try them all."""

    name: str
    edits: tuple[tuple[str, str, str], ...]
    backend: str = "memory"
    machine: bool = True
    tests: str = ""

    def __str__(self) -> str:
        return f"{self.backend}: {self.name}"


def planted(backend: str, edits: tuple[tuple[str, str, str], ...], folder: Path) -> Callable[..., Any]:
    """The opener of a copy of a backend with these passages replaced."""
    package = folder / f"planted_{uuid4().hex}"
    shutil.copytree(HOME / backend, package, ignore=shutil.ignore_patterns("__pycache__"))
    for file in package.glob("*.py"):
        own = re.sub(rf"\bjq_cli\.backends\.{backend}\b", package.name, file.read_text())
        file.write_text(own)
    for file_name, old, new in edits:
        _edit(package / file_name, old, new)
    return _import(package, backend)


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, f"{path.name} holds {text.count(old)} times: {old}"
    path.write_text(text.replace(old, new))


def _import(package: Path, backend: str) -> Callable[..., Any]:
    sys.path.insert(0, str(package.parent))
    try:
        module = importlib.import_module(f"{package.name}.backend")
    finally:
        sys.path.remove(str(package.parent))
    opener: Callable[..., Any] = getattr(module, f"open_{backend}")
    return opener
