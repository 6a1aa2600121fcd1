"""moto's server for S3 as a process of its own: `python moto_s3.py PORT`.

It answers one request at a time. It looks whether an object is there and then writes it, in two steps, so with threads alone
two requests could both create one object, which S3 itself never lets happen.
"""

import logging
import sys
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Any

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug import serving

moto = DomainDispatcherApplication(create_backend_app)
turn = Lock()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """moto, one request at a time."""
    with turn:
        return [b"".join(moto(environ, start_response))]


logging.getLogger("werkzeug").setLevel(logging.ERROR)
serving.run_simple("127.0.0.1", int(sys.argv[1]), application, threaded=True)
