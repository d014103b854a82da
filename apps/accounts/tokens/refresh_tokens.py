"""Refresh tokens: their format, and the digest under which they are stored. Pure.

`stoa_rt_` + a handle of 22 random base62 characters + a secret of 32 + 6 of CRC32. They are no JWTs, because only Stoa
reads them, and the database has to be asked in any case. The handle names the family; the secret changes with every
refresh. So a good handle with another secret is a token that was spent: nobody else can know the handle.
"""

import hmac
import secrets
from dataclasses import dataclass

from apps.accounts import keys

PREFIX = "stoa_rt_"
_HANDLE, _SECRET = 22, 32
LENGTH = len(PREFIX) + _HANDLE + _SECRET + keys.CHECKSUM


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A handle and a secret. `text` is shown once and never stored."""

    handle: str
    secret: str

    @property
    def text(self) -> str:
        body = PREFIX + self.handle + self.secret
        return body + keys.checksum(body)

    def digest(self, *, pepper: str) -> str:
        """HMAC-SHA256 of handle and secret under the pepper, as 64 hexadecimal characters."""
        return hmac.digest(pepper.encode(), f"{PREFIX}{self.handle}.{self.secret}".encode(), "sha256").hex()


def first() -> RefreshToken:
    """The first token of a new family."""
    return RefreshToken(_random(_HANDLE), _random(_SECRET))


def after(token: RefreshToken) -> RefreshToken:
    """The next token of the same family."""
    return RefreshToken(token.handle, _random(_SECRET))


def read(text: str) -> RefreshToken | None:
    """The token of this text. None if it cannot be one: its length, prefix or checksum is wrong."""
    body = text[: -keys.CHECKSUM]
    if len(text) != LENGTH or not text.startswith(PREFIX) or not text.isascii():
        return None
    if not hmac.compare_digest(keys.checksum(body), text[-keys.CHECKSUM :]):
        return None
    handle = body[len(PREFIX) :][:_HANDLE]
    return RefreshToken(handle, body[len(PREFIX) + _HANDLE :])


def _random(length: int) -> str:
    return "".join(secrets.choice(keys.ALPHABET) for _ in range(length))
