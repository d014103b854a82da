"""Identity tokens: JWTs by which a service learns who calls, signed with the keys of /.well-known/jwks.json.

A token is good for one service, its audience. It is no access token: Stoa refuses it everywhere.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from django.conf import settings
from django.db import DatabaseError, connection

from apps.accounts.principals import Principal
from apps.accounts.tokens import access_tokens, signing
from apps.accounts.tokens.signing import Signers
from apps.common.commit import StoreAway
from apps.common.ids import new_id
from apps.common.revisions import Snapshot

HEADER = "x-stoa-identity"
TYPE = "stoa-identity+jwt"
LIFETIME = timedelta(minutes=2)
KEPT = timedelta(minutes=1)  # so every service gets one that is good for another minute
MOST_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class _Issued:
    text: str
    principal: Principal
    signers: Signers
    until: datetime


class Identities:
    """Signs the tokens, and keeps each for a minute, since to sign takes as long as all else at the gate."""

    def __init__(self) -> None:
        self.signers: Snapshot[Signers] = signing.signers()
        self._kept: dict[tuple[str, int], _Issued] = {}
        self._making = asyncio.Lock()  # the first key of all

    async def token(self, service: str, principal: Principal, *, now: datetime) -> str:
        """For this service. Another one follows when the account of the caller, or a signing key, has changed.

        Raises StoreAway if there is no key to sign with yet and the database is away.
        """
        kept = self._kept.get((service, principal.key_id))
        signers = self.signers.current
        if kept is not None and kept.principal is principal and kept.signers is signers and now < kept.until:
            return kept.text
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        text = await self._signed(service, principal, signers, now)
        self._kept[service, principal.key_id] = _Issued(text, principal, signers, now + KEPT)
        return text

    async def _signed(self, service: str, principal: Principal, signers: Signers, now: datetime) -> str:
        if (signer := signers.at(now)) is not None:
            kid, key = signer.kid, signer.key
        else:
            async with self._making:
                kid, key = await asyncio.to_thread(_first_signer, now)
        return access_tokens.sign(claims_of(service, principal, now=now), key, kid=kid, typ=TYPE)


def claims_of(service: str, principal: Principal, *, now: datetime) -> dict[str, str | int]:
    issued_at = int(now.timestamp())
    return {
        "iss": settings.TOKEN_ISSUER,
        "aud": service,
        "sub": str(principal.user_id),
        "iat": issued_at,
        "nbf": issued_at,
        "exp": issued_at + int(LIFETIME.total_seconds()),
        "jti": new_id(),
        "token_use": "identity",
        "membership": principal.membership_id,
        "course": principal.course_slug,
        "role": principal.role,
    }


def _first_signer(now: datetime) -> tuple[str, EllipticCurvePrivateKey]:
    try:
        return signing.signer(now=now)
    except DatabaseError as error:
        raise StoreAway from error
    finally:
        connection.close_if_unusable_or_obsolete()
