"""A second DynamoDB for the slower tests: ministack, an emulator of AWS, on a free port of 127.0.0.1, gone with the tests.

Tried with 1.5.33. As AWS documents it: conditions, all reasons of a cancelled transaction, a transaction that is sent again with
its ClientRequestToken (no second write; IdempotentParameterMismatchException for other contents), at most 100 actions in a
transaction and one for each item, 100 keys in BatchGetItem, 25 items in BatchWriteItem, 400 KB in an item, 1 MB in a page of a
query. It answers one request after another, so its transactions are atomic.

Otherwise than AWS: the 4 MB of a transaction are measured by its JSON, where a payload is a third longer, so that already some 3 MB
are refused; a BatchGetItem of more than 16 MB is answered whole; nothing is ever throttled or answered by half; any credentials do.
"""

import os
import sys
from pathlib import Path

from tests.dynamodb_server import DynamoServer

PROGRAM = Path(sys.prefix) / "ministack" / "bin" / "ministack"
"""In an environment of its own: what it needs is nothing of ours."""

MISSING = "no ministack: `make soak` installs it in an environment of its own"


class Ministack(DynamoServer):
    """A running ministack that plays DynamoDB alone. It sends nothing to anybody."""

    def command(self) -> list[str | Path]:
        """The program alone: it is told everything by its environment."""
        return [PROGRAM]

    def environment(self) -> dict[str, str]:
        """Only what is ours."""
        # It would listen everywhere, serve MQTT too, and clean up containers of this machine that bear its label.
        private = {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "DOCKER_HOST": f"unix://{self.folder}/none",
        }
        less = {"SERVICES": "dynamodb", "IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0", "LOG_LEVEL": "ERROR"}
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), "TMPDIR": str(self.folder), **private, **less}
