"""Azure Blob Storage for the slower tests: Azurite, Microsoft's emulator, on a free port of 127.0.0.1, gone with the tests."""

import base64
import hashlib
import hmac
import shutil
import sys
import urllib.request
from email.utils import formatdate
from pathlib import Path
from urllib.error import HTTPError

from tests.child_server import ChildServer
from tests.servers import NoServer

CONTAINER = "jobs"
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Of the emulator, and public."""

CREDENTIALS = {"AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT, "AZURE_STORAGE_ACCOUNT_KEY": KEY}
PROGRAM = Path(sys.prefix) / "azurite" / "node_modules" / ".bin" / "azurite-blob"
QUIET = ("--silent", "--disableTelemetry", "--skipApiVersionCheck")
VERSION = "2021-08-06"


class AzuriteServer(ChildServer):
    """A server with a container in it."""

    def url(self, prefix: str = "") -> str:
        """The URL of a prefix in the container."""
        return f"az://{CONTAINER}/{prefix}?account={ACCOUNT}&endpoint={self.endpoint}/{ACCOUNT}"

    def command(self) -> list[str]:
        """Blobs only."""
        there = ["--blobHost", "127.0.0.1", "--blobPort", str(self.port), "--location", str(self.folder)]
        return [azurite(), *there, *QUIET]

    def ready(self) -> bool:
        """Whether the container is there; raises HTTPError when it is refused."""
        try:
            with urllib.request.urlopen(self._request(), timeout=5):
                return True
        except HTTPError:
            raise
        except OSError:
            return False

    def _request(self) -> urllib.request.Request:
        date, path = formatdate(usegmt=True), f"/{ACCOUNT}/{CONTAINER}"
        signed = "PUT" + "\n" * 12 + f"x-ms-date:{date}\nx-ms-version:{VERSION}\n/{ACCOUNT}{path}\nrestype:container"
        digest = hmac.new(base64.b64decode(KEY), signed.encode(), hashlib.sha256).digest()
        headers = {
            "x-ms-date": date,
            "x-ms-version": VERSION,
            "Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}",
        }
        url = f"{self.endpoint}{path}?restype=container"
        return urllib.request.Request(url, method="PUT", headers=headers)


def azurite() -> str:
    """The emulator that `make soak` installs with npm, else the one on PATH."""
    found = str(PROGRAM) if PROGRAM.exists() else shutil.which("azurite-blob")
    if found is None:
        raise NoServer("no Azurite: `make soak` installs it where there is npm, or npm install --global azurite")
    return found
