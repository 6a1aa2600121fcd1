"""Reads the source of the package: modules, what they import, their functions."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import jq_cli

HOME = Path(jq_cli.__file__).parent


class Import(NamedTuple):
    """One module of ours imports another, or a library."""

    source: str
    target: str


@cache
def modules() -> dict[str, ast.Module]:
    """The syntax trees of all our modules by their name within the package, such as `backends.redis`."""
    paths = sorted(HOME.rglob("*.py"))
    return {_name(path): ast.parse(path.read_text("utf-8")) for path in paths}


def path_of(module: str) -> Path:
    """The file of a module."""
    flat = HOME / (module.replace(".", "/") + ".py")
    return flat if flat.exists() else HOME / module.replace(".", "/") / "__init__.py"


def _name(path: Path) -> str:
    parts = path.relative_to(HOME).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports() -> tuple[Import, ...]:
    """Every import of one of our modules by another, wherever it stands."""
    return tuple(
        Import(name, target)
        for name, tree in modules().items()
        for imported in _imported(name, tree)
        if (target := _ours(imported)) is not None and target != name
    )


@cache
def libraries() -> tuple[Import, ...]:
    """Every import of somebody else's module, by its first name."""
    return tuple(
        Import(name, imported.partition(".")[0])
        for name, tree in modules().items()
        for imported in _imported(name, tree)
        if imported.partition(".")[0] != "jq_cli"
    )


def _imported(name: str, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} uses a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _ours(imported: str) -> str | None:
    """The module meant by `jq_cli.job.Job` or `jq_cli.job`; None for the package itself and for others' modules."""
    if not imported.startswith("jq_cli."):
        return None
    name = imported.removeprefix("jq_cli.")
    if name not in modules():
        name = name.rpartition(".")[0]
    return name or None


def cycle() -> list[str]:
    """A way along imports from a module back to itself, or nothing."""
    targets: dict[str, set[str]] = {}
    for source, target in imports():
        targets.setdefault(source, set()).add(target)
    done: set[str] = set()

    def search(trail: list[str]) -> list[str]:
        for target in sorted(targets.get(trail[-1], ())):
            if target in trail:
                return [*trail[trail.index(target) :], target]
            if target not in done and (found := search([*trail, target])):
                return found
        done.add(trail[-1])
        return []

    return next((found for name in modules() if (found := search([name]))), [])


class Function(NamedTuple):
    """A function or method and the number of lines of its body, without the docstring."""

    module: str
    name: str
    lines: int


@cache
def functions() -> tuple[Function, ...]:
    """Every function and method."""
    return tuple(
        Function(name, node.name, _lines(node))
        for name, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def calls(module: str) -> Iterator[tuple[str, ast.Call]]:
    """Every call in a module: what is called, as it is written (`os.path.join`), and the call."""
    for node in ast.walk(modules()[module]):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node
