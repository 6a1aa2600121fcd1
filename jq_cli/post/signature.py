"""Signatures of requests, as the Standard Webhooks specification has them: HMAC-SHA-256 over `id.timestamp.body`.

A secret is any text, or `whsec_` and base64. Several secrets, separated by blanks, each sign: for the time in which receivers
change from one to the next.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

from jq_cli.errors import UsageError

TOLERANCE = 300
"""Seconds that a timestamp may be off before a signature is refused: an old request sent again by somebody else is none."""


def keys_of(secret: str) -> list[bytes]:
    """The keys in a secret. Raises UsageError when one cannot be read."""
    keys = [_key(part) for part in secret.split()]
    if not keys or not all(keys):
        raise UsageError("the webhook secret is empty")
    return keys


def signed(keys: list[bytes], id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers that prove a body: webhook-id, webhook-timestamp, webhook-signature."""
    signatures = " ".join(f"v1,{_mac(key, id, timestamp, body)}" for key in keys)
    return {"webhook-id": id, "webhook-timestamp": str(timestamp), "webhook-signature": signatures}


def verify(secret: str, headers: Mapping[str, str], body: bytes, *, now: float) -> bool:
    """Whether the headers, by their names in lower case, prove that who knows the secret sent this body just now (`now` in
    seconds since the epoch). Takes the same time whatever is wrong with a signature."""
    try:
        id, timestamp = headers["webhook-id"], int(headers["webhook-timestamp"])
        given = headers["webhook-signature"].split()
    except (KeyError, ValueError):
        return False
    if abs(now - timestamp) > TOLERANCE:
        return False
    expected = [f"v1,{_mac(key, id, timestamp, body)}".encode() for key in keys_of(secret)]
    return any([hmac.compare_digest(one, each.encode()) for one in expected for each in given])  # noqa: C419 all, always


def _mac(key: bytes, id: str, timestamp: int, body: bytes) -> str:
    digest = hmac.new(key, f"{id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def _key(part: str) -> bytes:
    if not part.startswith("whsec_"):
        return part.encode()
    try:
        return base64.b64decode(part.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise UsageError("the webhook secret begins with whsec_ but the rest is not base64") from None
