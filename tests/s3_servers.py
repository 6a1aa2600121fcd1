"""S3 for tests: servers of our own on free ports of 127.0.0.1, started as processes, gone with the tests."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence

DEADLINE = 60.0
_PR_SET_PDEATHSIG = 1

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}


class S3Server:
    """A server process and a bucket in it. Use as a context manager or call `stop`."""

    bucket = "jobs"

    def __init__(self) -> None:
        self.port = _free_port()
        self._process = subprocess.Popen(
            self.command(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **CREDENTIALS},
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )
        try:
            self._await_bucket()
        except BaseException:
            self.stop()
            raise

    def command(self) -> Sequence[str]:
        """What is started."""
        raise NotImplementedError

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

    def __enter__(self) -> "S3Server":
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _await_bucket(self) -> None:
        deadline = time.monotonic() + DEADLINE
        while True:
            assert self._process.poll() is None, f"{self.command()[0]} ended by itself"
            try:
                request = urllib.request.Request(f"{self.endpoint}/{self.bucket}", method="PUT")
                with urllib.request.urlopen(request, timeout=5):
                    return
            except OSError as error:
                if time.monotonic() >= deadline:
                    raise AssertionError(f"{self.command()[0]} does not answer") from error
                time.sleep(0.05)


class MotoServer(S3Server):
    """moto: S3 as a simulation, with conditional writes."""

    def command(self) -> Sequence[str]:
        return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
