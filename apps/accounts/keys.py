"""API keys: their format, and the digest under which they are stored.

A prefix (`stoa_sk_` of members, `stoa_svc_` of service accounts, `stoa_stf_` of staff) + 32 random base62 characters +
6 base62 characters of the CRC32 of all that precedes. The checksum rejects typing errors without a query, and lets
secret scanners recognise leaked keys offline.
"""

import hmac
import secrets
import zlib
from typing import NamedTuple

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
PREFIX = "stoa_sk_"
SERVICE = "stoa_svc_"
STAFF = "stoa_stf_"
SECRET, CHECKSUM = 32, 6
LENGTH = len(PREFIX) + SECRET + CHECKSUM


class IssuedKey(NamedTuple):
    """A new key. `text` is shown once and never stored."""

    text: str
    digest: str
    last_four: str


def issue(*, pepper: str, prefix: str = PREFIX) -> IssuedKey:
    """Make a new key with 190 bits of randomness."""
    body = prefix + "".join(secrets.choice(ALPHABET) for _ in range(SECRET))
    text = body + checksum(body)
    return IssuedKey(text, digest(text, pepper=pepper), text[-4:])


def is_well_formed(text: str, *, prefixes: tuple[str, ...] = (PREFIX, SERVICE)) -> bool:
    """True if the text has the format and the checksum of a key of these kinds. It may never have been issued."""
    prefix = next((prefix for prefix in prefixes if text.startswith(prefix)), None)
    return (
        prefix is not None
        and len(text) == len(prefix) + SECRET + CHECKSUM
        and text.isascii()
        and hmac.compare_digest(checksum(text[:-CHECKSUM]), text[-CHECKSUM:])
    )


def digest(text: str, *, pepper: str) -> str:
    """HMAC-SHA256 of the key under the pepper, as 64 hexadecimal characters."""
    return hmac.digest(pepper.encode(), text.encode(), "sha256").hex()


def checksum(body: str) -> str:
    """The CRC32 of the text, as 6 base62 characters."""
    number = zlib.crc32(body.encode())
    characters = []
    for _ in range(6):
        number, remainder = divmod(number, 62)
        characters.append(ALPHABET[remainder])
    return "".join(reversed(characters))
