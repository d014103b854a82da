"""Signatures of webhooks, as Standard Webhooks describes them: HMAC-SHA256 of id, timestamp and body. Pure."""

import base64
import binascii
import hashlib
import hmac
from datetime import datetime

PREFIX = "whsec_"


def headers(body: bytes, *, id: str, at: datetime, secret: str) -> dict[str, str]:
    """The headers by which a receiver knows that Stoa sent this body, at this time."""
    stamp = str(int(at.timestamp()))
    digest = hmac.new(key_of(secret), f"{id}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": id,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def key_of(secret: str) -> bytes:
    """The key of a secret in the standard's spelling, base64 behind `whsec_`; any other text is its own key.

    Raises ValueError if it has the prefix, and no base64 behind it.
    """
    if not secret.startswith(PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("Behind whsec_ there must be base64.") from error
