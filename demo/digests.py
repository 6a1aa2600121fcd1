"""The demo's Python handler: the SHA-256 digest of the file that the payload names."""

import hashlib
from pathlib import Path


def digest(path: str) -> str:
    """The digest as text; a file that is not there is a failure."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
