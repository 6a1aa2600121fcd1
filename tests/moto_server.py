"""S3 for tests: a server of our own on a free port of 127.0.0.1, started as a process, gone with the tests."""

import os
import sys
import urllib.request
from pathlib import Path

from tests.child_server import ChildServer

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}


class MotoServer(ChildServer):
    """moto: S3 as a simulation, with conditional writes; a server process and a bucket in it."""

    bucket = "jobs"

    def url(self, prefix: str = "", **options: str) -> str:
        """The URL of a prefix in the bucket."""
        query = "&".join(f"{name}={value}" for name, value in {"endpoint": self.endpoint, **options}.items())
        return f"s3://{self.bucket}/{prefix}?{query}"

    def command(self) -> list[str | Path]:
        """Its script beside this file."""
        return [sys.executable, Path(__file__).with_name("moto_s3.py"), str(self.port)]

    def environment(self) -> dict[str, str]:
        """No settings for AWS of whoever runs the tests."""
        return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **CREDENTIALS}

    def ready(self) -> bool:
        """Whether the bucket is there."""
        request = urllib.request.Request(f"{self.endpoint}/{self.bucket}", method="PUT")
        try:
            with urllib.request.urlopen(request, timeout=5):
                return True
        except OSError:
            return False
