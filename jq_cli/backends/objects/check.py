"""Whether a store keeps the one promise that everything here rests on: an object is created only if there is none."""

from jq_cli.backends.objects.store import Store
from jq_cli.errors import BackendError
from jq_cli.ids import nonce

FIRST, SECOND = b"first\n", b"second\n"


def check_store(store: Store) -> None:
    """Try it out with an object of its own. Raises BackendError when the store cannot be used."""
    name = f"check/{nonce()}"
    try:
        if not store.create(name, FIRST):
            raise BackendError(f"{store.url}: refuses to create an object that is not there")
        again = store.create(name, SECOND)
        if again or store.get(name) != FIRST:
            raise BackendError(
                f"{store.url}: ignores conditional writes (If-None-Match), so two clients could both own a job; "
                "use a store that honours them"
            )
        if [each.name for each in store.listing("check") if each.name == name] != [name]:
            raise BackendError(f"{store.url}: does not list an object that was just created")
    finally:
        store.delete([name])
