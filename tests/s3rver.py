"""s3rver for the slower tests: a server for developers that speaks S3 and ignores conditional writes, on a free port of
127.0.0.1, gone with the tests."""

import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.servers import DEADLINE, die_with_parent, free_port

PROGRAM = Path(sys.prefix) / "s3rver" / "node_modules" / ".bin" / "s3rver"
MISSING = "no s3rver: `make soak` installs it where there is npm"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "S3RVER", "AWS_SECRET_ACCESS_KEY": "S3RVER"}
BUCKET = "jobs"


class S3rver:
    """A server with a bucket in it. Use as a context manager."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="jq-s3rver-")
        self.port = free_port()
        there = ["-a", "127.0.0.1", "-p", str(self.port), "-d", self._folder.name]
        self._process = subprocess.Popen(
            [PROGRAM, *there, "--silent", "--no-vhost-buckets", "--configure-bucket", BUCKET],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent if sys.platform == "linux" else None,
        )

    @property
    def url(self) -> str:
        """The URL of the bucket."""
        return f"s3://{BUCKET}?endpoint=http://127.0.0.1:{self.port}&timeout=30s"

    def objects(self) -> list[str]:
        """What lies in the bucket."""
        return [each.name for each in Path(self._folder.name, BUCKET).rglob("*") if each.is_file()]

    def __enter__(self) -> "S3rver":
        deadline = time.monotonic() + 3 * DEADLINE
        while not self._listens():
            assert self._process.poll() is None, "s3rver ended by itself"
            assert time.monotonic() < deadline, "s3rver does not answer"
            time.sleep(0.05)
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
