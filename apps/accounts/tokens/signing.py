"""Which key signs, and which keys are published."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from apps.accounts.models import TOKENS, TokenKey
from apps.accounts.tokens.access_tokens import LEEWAY, LIFETIME
from apps.common.encryption import CannotDecrypt
from apps.common.revisions import Snapshot

logger = logging.getLogger(__name__)

CACHED = timedelta(minutes=5)  # how long others may keep the key set
AHEAD = 2 * CACHED  # how long a new key is published before it signs
OVERLAP = LIFETIME + LEEWAY  # how long an old key is published after its last signature


def signer(*, now: datetime) -> tuple[str, EllipticCurvePrivateKey]:
    """The name of the key that signs now, and the key. The first one is made at first need."""
    for row in TokenKey.objects.signing(now=now):
        try:
            return row.kid, row.private()
        except CannotDecrypt:
            logger.error("The signing key %s opens with none of GATEWAY_SECRET_KEYS", row.kid)
    made = TokenKey.make(signs_from=now, now=now)
    return made.kid, made.private()


@dataclass(frozen=True, slots=True)
class Signer:
    kid: str
    key: EllipticCurvePrivateKey
    signs_from: datetime
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class Signers:
    """All keys, the newest first, for those who sign often."""

    keys: tuple[Signer, ...]

    def at(self, now: datetime) -> Signer | None:
        """The one that signs now. None if there is none yet: `signer` makes it."""
        return next((one for one in self.keys if one.signs_from <= now and _is_published(one.ends_at, now)), None)


def _is_published(ends_at: datetime | None, now: datetime) -> bool:
    return ends_at is None or ends_at > now


def signers() -> Snapshot[Signers]:
    return Snapshot(TOKENS, load_signers)


def load_signers() -> Signers:
    found = []
    for row in TokenKey.objects.order_by("-signs_from", "-pk"):
        try:
            found.append(Signer(row.kid, row.private(), row.signs_from, row.ends_at))
        except CannotDecrypt:
            logger.error("The signing key %s opens with none of GATEWAY_SECRET_KEYS", row.kid)
    return Signers(tuple(found))


def rotate(*, now: datetime) -> TokenKey:
    """Publish a new key, which takes over once every cache of the key set has it."""
    return TokenKey.rotate(signs_from=now + AHEAD, overlap=OVERLAP, now=now)


def replace_at_once(*, now: datetime) -> TokenKey:
    """Sign with a new key, and refuse every token of the old ones from now on."""
    return TokenKey.rotate(signs_from=now, overlap=timedelta(0), now=now)


def key_set(*, now: datetime) -> dict[str, Any]:
    """The public keys as a JWK set (RFC 7517). The first one is made at first need."""
    rows = list(TokenKey.objects.published(now=now)) or [TokenKey.make(signs_from=now, now=now)]
    return {"keys": [row.public_jwk for row in rows]}
