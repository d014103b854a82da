"""Access tokens: signed JWTs. Reads them strictly, verifies and signs them. Pure but for the clock of PyJWT.

A token is taken apart before anything is verified, and whatever is not as it should be raises RefusedToken: so PyJWT
only ever sees claims of the right types, and no header can choose how it is verified.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from apps.accounts.tokens.strict_json import strictly

ALGORITHM = "ES256"
TYPE = "at+jwt"  # RFC 9068
AUDIENCE = "stoa"
LIFETIME = timedelta(minutes=15)
LEEWAY = timedelta(seconds=30)  # how far apart the clocks of two machines may be
MOST_BYTES = 8192

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_REQUIRED = ["iss", "aud", "sub", "exp", "iat", "jti"]
_LATEST = 1 << 33  # the year 2242: beyond it an instant is a mistake
_LONGEST = 512


class RefusedToken(Exception):
    """The token is refused. The text says why, and is for tests and logs only: callers must not tell."""


class NotYet(RefusedToken):
    """The clock that issued the token is ahead of ours. It may be good in a moment."""


@dataclass(frozen=True, slots=True)
class Unverified:
    """What a token says of itself, with claims of the right types. Not to be believed yet."""

    text: str
    header: Mapping[str, Any]
    claims: Mapping[str, Any]

    @property
    def kid(self) -> str:
        return str(self.header["kid"])

    @property
    def issuer(self) -> str:
        return str(self.claims["iss"])

    @property
    def jti(self) -> str:
        return str(self.claims["jti"])

    @property
    def issued_at(self) -> datetime:
        return datetime.fromtimestamp(self.claims["iat"], tz=UTC)

    @property
    def expires_at(self) -> datetime:
        """The instant from which it is refused, clocks that differ allowed for."""
        return datetime.fromtimestamp(self.claims["exp"], tz=UTC) + LEEWAY


def looks_like_one(text: str) -> bool:
    """Whether the text has the shape of a JWT of a size that is read."""
    return len(text) <= MOST_BYTES and text.startswith("eyJ") and _COMPACT.fullmatch(text) is not None


def read(text: str) -> Unverified:
    """Take a token apart, without verifying it. Raises RefusedToken."""
    if not looks_like_one(text):
        raise RefusedToken("no JWT")
    header, claims = (_object(segment) for segment in text.split(".")[:2])
    if not isinstance(header.get("alg"), str) or not _is_text(header.get("kid")):
        raise RefusedToken("alg or kid is missing")
    if not {"crit", "b64", "zip"}.isdisjoint(header):
        raise RefusedToken("an extension that is not understood")
    for name in ("iss", "sub", "jti"):
        if not _is_text(claims.get(name)):
            raise RefusedToken(f"{name} is missing")
    for name in ("exp", "iat", "nbf"):
        if name in claims and not _is_instant(claims[name]):
            raise RefusedToken(f"{name} is not an instant")
    if not _is_audience(claims.get("aud")):
        raise RefusedToken("aud is missing")
    return Unverified(text, header, claims)


def verify(token: Unverified, key: Any, *, algorithm: str, issuer: str, audience: str) -> None:
    """Check signature, issuer, audience and times. Raises RefusedToken, or NotYet."""
    import jwt  # 1 MB, and many institutions use no tokens

    try:
        jwt.decode(
            token.text,
            key,
            algorithms=[algorithm],
            issuer=issuer,
            audience=audience,
            leeway=LEEWAY,
            options={"require": _REQUIRED},
        )
    except jwt.ImmatureSignatureError as error:
        raise NotYet("issued in the future") from error
    except jwt.PyJWTError as error:
        raise RefusedToken(str(error)) from error


def sign(claims: Mapping[str, Any], key: Any, *, kid: str, typ: str = TYPE) -> str:
    """A token. Of another `typ` than ours it is no access token, whatever it claims."""
    import jwt  # 1 MB, and many institutions use no tokens

    return jwt.encode(dict(claims), key, algorithm=ALGORITHM, headers={"kid": kid, "typ": typ})


def is_ours(token: Unverified) -> bool:
    """Whether the header is one that `sign` writes."""
    return set(token.header) == {"alg", "kid", "typ"} and (token.header["alg"], token.header["typ"]) == (
        ALGORITHM,
        TYPE,
    )


def _object(segment: str) -> dict[str, Any]:
    try:
        return strictly(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    except ValueError as error:
        raise RefusedToken("a part is not a JSON object") from error


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST and value.isprintable()


def _is_instant(value: object) -> bool:
    return type(value) is int and 0 <= value < _LATEST


def _is_audience(value: object) -> bool:
    values = value if isinstance(value, list) else [value]
    return 0 < len(values) <= 20 and all(_is_text(one) for one in values)
