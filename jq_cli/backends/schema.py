"""The tables behind a store that needs some made, for `jq db`."""

from typing import Protocol

import msgspec


class SchemaState(msgspec.Struct, frozen=True):
    """What lies behind a store that must be made before it can be used. `version` None: nothing yet. `known`: what this program
    works with. `usable`: whether it can work with what there is. `notes`: what an operator should know, for people."""

    name: str
    version: int | None
    known: int
    usable: bool
    notes: tuple[str, ...] = ()


class Schema(Protocol):
    """The tables behind a store, for those who make them and look after them. Errors are those of a backend."""

    def status(self) -> SchemaState:
        """What there is. Makes nothing."""

    def init(self) -> list[str]:
        """Make what there is not, up to the current version; says what was done."""

    def upgrade(self) -> list[str]:
        """Bring what there is to the current version; says what was done. Raises BackendError when there is nothing."""

    def sql(self, since: int = 0) -> str:
        """The statements that lead from a version (0: nothing) to the current one, for those who apply them by hand."""
