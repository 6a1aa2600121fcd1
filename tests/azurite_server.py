"""Azure Blob Storage for the slower tests: Azurite, Microsoft's emulator, on a free port of 127.0.0.1, gone with the tests."""

import base64
import hashlib
import hmac
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from email.utils import formatdate
from pathlib import Path
from urllib.error import HTTPError

from tests.servers import NoServer, die_with_parent, free_port

DEADLINE = 120.0
CONTAINER = "jobs"
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Of the emulator, and public."""

CREDENTIALS = {"AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT, "AZURE_STORAGE_ACCOUNT_KEY": KEY}
PROGRAM = Path(sys.prefix) / "azurite" / "node_modules" / ".bin" / "azurite-blob"
QUIET = ("--silent", "--disableTelemetry", "--skipApiVersionCheck")
VERSION = "2021-08-06"


class AzuriteServer:
    """A server with a container in it. Use as a context manager or call `stop`."""

    def __init__(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="jq-azurite-")
        self.port = free_port()
        self._process = subprocess.Popen(
            [azurite(), "--blobHost", "127.0.0.1", "--blobPort", str(self.port), "--location", self._folder, *QUIET],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent if sys.platform == "linux" else None,
        )
        try:
            self._await_container()
        except BaseException:
            self.stop()
            raise

    def url(self, prefix: str = "") -> str:
        """The URL of a prefix in the container."""
        return f"az://{CONTAINER}/{prefix}?account={ACCOUNT}&endpoint=http://127.0.0.1:{self.port}/{ACCOUNT}"

    def stop(self) -> None:
        """Kill it and remove its data."""
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> "AzuriteServer":
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _await_container(self) -> None:
        deadline = time.monotonic() + DEADLINE
        while True:
            assert self._process.poll() is None, "azurite ended by itself"
            try:
                with urllib.request.urlopen(self._request(), timeout=5):
                    return
            except HTTPError:
                raise
            except OSError as error:
                if time.monotonic() >= deadline:
                    raise AssertionError("azurite does not answer") from error
                time.sleep(0.1)

    def _request(self) -> urllib.request.Request:
        date, path = formatdate(usegmt=True), f"/{ACCOUNT}/{CONTAINER}"
        signed = "PUT" + "\n" * 12 + f"x-ms-date:{date}\nx-ms-version:{VERSION}\n/{ACCOUNT}{path}\nrestype:container"
        digest = hmac.new(base64.b64decode(KEY), signed.encode(), hashlib.sha256).digest()
        headers = {
            "x-ms-date": date,
            "x-ms-version": VERSION,
            "Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}",
        }
        url = f"http://127.0.0.1:{self.port}{path}?restype=container"
        return urllib.request.Request(url, method="PUT", headers=headers)


def azurite() -> str:
    """The emulator that `make soak` installs with npm, else the one on PATH."""
    found = str(PROGRAM) if PROGRAM.exists() else shutil.which("azurite-blob")
    if found is None:
        raise NoServer("no Azurite: `make soak` installs it where there is npm, or npm install --global azurite")
    return found
