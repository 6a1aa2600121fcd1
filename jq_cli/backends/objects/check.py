"""Whether a store keeps the one promise that everything here rests on: an object is created only if there is none."""

from contextlib import suppress

from jq_cli.backends.objects.store import Store
from jq_cli.errors import BackendError
from jq_cli.ids import nonce


def check_store(store: Store) -> None:
    """Try it out with an object of its own. Raises BackendError when the store cannot be used."""
    name, first = f"check/{nonce()}", f"{nonce()}\n".encode()
    try:
        _try_out(store, name, first)
    except BackendError:
        with suppress(BackendError):  # what was found first counts
            store.delete([name])
        raise
    store.delete([name])


def _try_out(store: Store, name: str, first: bytes) -> None:
    store.create(name, first)
    again = store.create(name, b"again\n")
    found = store.get(name)
    if again or found not in (first, None):
        raise BackendError(
            f"{store.url}: ignores conditional writes (If-None-Match), so two clients could both own a job; "
            "use a store that honours them"
        )
    if found is None or name not in [each.name for each in store.listing("check")]:
        raise BackendError(f"{store.url}: does not show an object that was just created")
