"""The keys that sign access tokens. Other services verify with the public halves."""

import base64
import hashlib
import json
from datetime import datetime, timedelta
from typing import Any, ClassVar

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings
from django.db import models, transaction
from django.db.models import Q

from apps.accounts.audit.audited import AuditedModel, AuditedQuerySet
from apps.accounts.models.fields import TOKENS
from apps.common import encryption
from apps.common.translation import lazy as _


class TokenKeyQuerySet(AuditedQuerySet):
    def published(self, *, now: datetime) -> "TokenKeyQuerySet":
        """The keys of the key set: those that sign, will sign, or have signed tokens that are still valid."""
        return self.filter(Q(ends_at=None) | Q(ends_at__gt=now))

    def signing(self, *, now: datetime) -> "TokenKeyQuerySet":
        """The keys that may sign now. The first of them should."""
        return self.published(now=now).filter(signs_from__lte=now).order_by("-signs_from", "-pk")


class TokenKey(AuditedModel):
    """A P-256 key pair. The private half is encrypted; the public half is a JWK, named by its thumbprint (RFC 7638)."""

    topic: ClassVar[str] = TOKENS

    kid = models.CharField(max_length=43, unique=True)
    public_jwk = models.JSONField()
    ciphertext = models.TextField(editable=False)
    created_at = models.DateTimeField()
    signs_from = models.DateTimeField(help_text=_("It is published before, so that other services know it by then."))
    ends_at = models.DateTimeField(null=True, help_text=_("When it leaves the key set."))

    objects = TokenKeyQuerySet.as_manager()

    class Meta:
        ordering = ("-signs_from",)

    def __str__(self) -> str:
        return self.kid

    # Factories

    @classmethod
    def make(cls, *, signs_from: datetime, now: datetime) -> "TokenKey":
        import jwt  # 1 MB, and many institutions use no tokens

        private = ec.generate_private_key(ec.SECP256R1())
        jwk: dict[str, Any] = jwt.algorithms.ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
        kid = _thumbprint(jwk)
        pem = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return cls.objects.create(
            kid=kid,
            public_jwk={**jwk, "kid": kid, "use": "sig", "alg": "ES256"},
            ciphertext=encryption.seal(pem, place=_place(kid), keys=settings.SECRET_KEYS),
            created_at=now,
            signs_from=signs_from,
        )

    # Mutators

    @classmethod
    def rotate(cls, *, signs_from: datetime, overlap: timedelta, now: datetime) -> "TokenKey":
        """Make a new key. The others leave the key set `overlap` after it has begun to sign."""
        with transaction.atomic():
            ends_at = signs_from + overlap
            cls.objects.filter(Q(ends_at=None) | Q(ends_at__gt=ends_at)).update(ends_at=ends_at)
            return cls.make(signs_from=signs_from, now=now)

    def encrypt_anew(self) -> bool:
        """Encrypt the private key with the newest secret. False if it is already. Raises CannotDecrypt."""
        anew = encryption.anew(self.ciphertext, place=_place(self.kid), keys=settings.SECRET_KEYS)
        row = TokenKey.objects.filter(pk=self.pk, ciphertext=self.ciphertext)
        return anew is not None and bool(row.update(ciphertext=anew))

    # Queries

    def private(self) -> ec.EllipticCurvePrivateKey:
        """For signing only. Raises CannotDecrypt."""
        pem = encryption.unseal(self.ciphertext, place=_place(self.kid), keys=settings.SECRET_KEYS)
        key = serialization.load_pem_private_key(pem, password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)  # noqa: S101  # `make` makes no other
        return key


def _thumbprint(jwk: dict[str, Any]) -> str:
    needed = {name: jwk[name] for name in ("crv", "kty", "x", "y")}
    digest = hashlib.sha256(json.dumps(needed, sort_keys=True, separators=(",", ":")).encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _place(kid: str) -> str:
    return f"accounts_tokenkey:ciphertext:{kid}"
