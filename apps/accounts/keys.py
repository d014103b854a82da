"""API keys: their format, and the digest under which they are stored.

`stoa_sk_` + 32 random base62 characters + 6 base62 characters of the CRC32 of all that precedes. The checksum rejects
typing errors without a query, and lets secret scanners recognise leaked keys offline.
"""

import hmac
import secrets
import zlib
from typing import NamedTuple

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
PREFIX = "stoa_sk_"
LENGTH = len(PREFIX) + 32 + 6


class IssuedKey(NamedTuple):
    """A new key. `text` is shown once and never stored."""

    text: str
    digest: str
    last_four: str


def issue(*, pepper: str) -> IssuedKey:
    """Make a new key with 190 bits of randomness."""
    body = PREFIX + "".join(secrets.choice(ALPHABET) for _ in range(32))
    text = body + _checksum(body)
    return IssuedKey(text, digest(text, pepper=pepper), text[-4:])


def is_well_formed(text: str) -> bool:
    """True if the text has the format and the checksum of a key. It may never have been issued."""
    return (
        len(text) == LENGTH
        and text.startswith(PREFIX)
        and text.isascii()
        and hmac.compare_digest(_checksum(text[:-6]), text[-6:])
    )


def digest(text: str, *, pepper: str) -> str:
    """HMAC-SHA256 of the key under the pepper, as 64 hexadecimal characters."""
    return hmac.digest(pepper.encode(), text.encode(), "sha256").hex()


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode())
    characters = []
    for _ in range(6):
        number, remainder = divmod(number, 62)
        characters.append(ALPHABET[remainder])
    return "".join(reversed(characters))
