"""S3 for tests: a server of our own on a free port of 127.0.0.1, started as a process, gone with the tests."""

import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from tests.servers import die_with_parent, free_port

DEADLINE = 60.0

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}


class MotoServer:
    """moto: S3 as a simulation, with conditional writes; a server process and a bucket in it. Use as a context manager or call
    `stop`."""

    bucket = "jobs"

    def __init__(self) -> None:
        self.port = free_port()
        self._process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("moto_s3.py"), str(self.port)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **CREDENTIALS},
            preexec_fn=die_with_parent if sys.platform == "linux" else None,
        )
        try:
            self._await_bucket()
        except BaseException:
            self.stop()
            raise

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def url(self, prefix: str = "", **options: str) -> str:
        """The URL of a prefix in the bucket."""
        query = "&".join(f"{name}={value}" for name, value in {"endpoint": self.endpoint, **options}.items())
        return f"s3://{self.bucket}/{prefix}?{query}"

    def stop(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> "MotoServer":
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _await_bucket(self) -> None:
        deadline = time.monotonic() + DEADLINE
        while True:
            assert self._process.poll() is None, "moto ended by itself"
            try:
                request = urllib.request.Request(f"{self.endpoint}/{self.bucket}", method="PUT")
                with urllib.request.urlopen(request, timeout=5):
                    return
            except OSError as error:
                if time.monotonic() >= deadline:
                    raise AssertionError("moto does not answer") from error
                time.sleep(0.05)
