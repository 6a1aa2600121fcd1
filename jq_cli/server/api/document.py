"""The OpenAPI document of the Admin API. Run as a program with a path it writes it there, for the documentation."""

import json
import sys
from pathlib import Path
from typing import Any

from jq_cli.backends.registry import open_backend
from jq_cli.config.settings import Settings
from jq_cli.server.api.app import make_api
from jq_cli.server.api.description import described
from jq_cli.server.api.desk import Office
from jq_cli.server.stores import Stores
from jq_cli.server.watches import Watches


def document() -> dict[str, Any]:
    """The document as it is served."""
    stores = Stores(lambda namespace: open_backend("memory", namespace=namespace))
    return described(make_api(Office(stores, Watches(stores), Settings()), 0))


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(document(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
