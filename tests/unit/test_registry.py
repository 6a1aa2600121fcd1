"""Finding backends by name and URL."""

import sys
from importlib.metadata import EntryPoint

import pytest

from jq_cli.backends import registry
from jq_cli.backends.memory.backend import MemoryBackend
from jq_cli.errors import InvalidField, UnknownBackend


def test_a_name_and_a_url_open_the_same_kind() -> None:
    for spec in ("memory", "memory://", "MEMORY://"):
        assert isinstance(registry.open_backend(spec), MemoryBackend)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UnknownBackend, match=r"unknown backend 'mysql'; known: .*memory.*redis.*sqlite"):
        registry.open_backend("mysql://x")


def test_a_missing_driver_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.BUILT_IN, "far", "no_such_driver_module:open_far")
    with pytest.raises(UnknownBackend, match="pip install no_such_driver_module"):
        registry.open_backend("far://x")
    monkeypatch.setitem(registry.EXTRAS, "far", "far")
    with pytest.raises(UnknownBackend, match=r"pip install 'jq-cli\[far\]'"):
        registry.open_backend("far://x")


def test_third_party_backends_come_through_the_entry_point_group(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("mine", "jq_cli.backends.memory.backend:open_memory", registry.GROUP)
    monkeypatch.setattr(registry, "_entry_points", lambda: [entry])
    assert isinstance(registry.open_backend("mine://somewhere"), MemoryBackend)
    assert registry.known()["mine"] == "jq_cli.backends.memory.backend:open_memory"


def test_a_bad_namespace_is_refused_before_anything_is_opened() -> None:
    with pytest.raises(InvalidField, match="namespace"):
        registry.open_backend("memory", namespace="a{b}")


def test_only_the_backend_in_use_is_imported() -> None:
    for name in [name for name in sys.modules if name.startswith("jq_cli.backends.redis.backend")]:
        del sys.modules[name]
    registry.open_backend("memory")
    assert "jq_cli.backends.redis.backend" not in sys.modules
