"""s3rver for the slower tests: a server for developers that speaks S3 and ignores conditional writes, on a free port of
127.0.0.1, gone with the tests."""

import sys
from pathlib import Path

from tests.child_server import ChildServer

PROGRAM = Path(sys.prefix) / "s3rver" / "node_modules" / ".bin" / "s3rver"
MISSING = "no s3rver: `make soak` installs it where there is npm"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "S3RVER", "AWS_SECRET_ACCESS_KEY": "S3RVER"}
BUCKET = "jobs"


class S3rver(ChildServer):
    """A server with a bucket in it."""

    @property
    def url(self) -> str:
        """The URL of the bucket."""
        return f"s3://{BUCKET}?endpoint={self.endpoint}&timeout=30s"

    def objects(self) -> list[str]:
        """What lies in the bucket."""
        return [each.name for each in (self.folder / BUCKET).rglob("*") if each.is_file()]

    def command(self) -> list[str | Path]:
        """It keeps a folder for each bucket."""
        there = ["-a", "127.0.0.1", "-p", str(self.port), "-d", str(self.folder)]
        return [PROGRAM, *there, "--silent", "--no-vhost-buckets", "--configure-bucket", BUCKET]
