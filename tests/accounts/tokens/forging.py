"""What makes forged tokens: a good one, and one thing that is changed in it."""

import base64
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from apps.accounts.models import TokenFamily, TokenKey

MISSING = object()


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def dumped(value: Any) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def changed(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**values, **changes}.items() if value is not MISSING}


@dataclass(frozen=True)
class Forge:
    """What an attacker knows, and our own key, so that only one thing at a time is wrong."""

    issuer: str
    family: TokenFamily
    other: TokenFamily  # of another person
    revoked: TokenFamily
    revoked_jti: str
    key: TokenKey
    ended: TokenKey

    @property
    def header(self) -> dict[str, Any]:
        return {"alg": "ES256", "kid": self.key.kid, "typ": "at+jwt"}

    @property
    def claims(self) -> dict[str, Any]:
        now = int(time.time())
        return {
            "iss": self.issuer,
            "aud": "stoa",
            "sub": str(self.family.user_id),
            "iat": now,
            "nbf": now,
            "exp": now + 900,
            "jti": "0" * 32,
            "sid": str(self.family.pk),
            "token_use": "access",
            "scopes": {},
        }

    @property
    def public(self) -> ec.EllipticCurvePublicKey:
        return self.key.private().public_key()

    def pem(self) -> bytes:
        return self.public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    def der(self) -> bytes:
        return self.public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)

    # Making

    def good(self) -> str:
        return self.token()

    def token(self, *, key: ec.EllipticCurvePrivateKey | None = None, **claims: Any) -> str:
        """Signed with our key, unless another is given."""
        return self.raw(self.header, changed(self.claims, claims), key=key)

    def headed(self, *, key: ec.EllipticCurvePrivateKey | None = None, **header: Any) -> str:
        return self.raw(changed(self.header, header), self.claims, key=key)

    def raw(self, header: Any, claims: Any, *, key: ec.EllipticCurvePrivateKey | None = None) -> str:
        start = f"{encoded(dumped(header))}.{encoded(dumped(claims))}"
        return f"{start}.{encoded(signature(start, key or self.key.private()))}"

    def unsigned(self, alg: Any, end: str = "") -> str:
        header, claims = changed(self.header, {"alg": alg}), self.claims
        return f"{encoded(dumped(header))}.{encoded(dumped(claims))}.{end}"

    def keyed(self, secret: bytes, alg: str = "HS256") -> str:
        """Signed with a shared secret."""
        start = self.unsigned(alg)[:-1]
        return f"{start}.{encoded(hmac.digest(secret, start.encode(), alg.replace('HS', 'sha')))}"

    def with_claims(self, old: str, new: str) -> str:
        """With JSON that no dumper writes."""
        return self.raw(self.header, json.dumps(self.claims).replace(old, new, 1).encode())

    def exp(self, text: str) -> str:
        return self.with_claims(f'"exp": {self.claims["exp"]}', f'"exp": {text}')

    def mended(self, part: int, change: Callable[[str], str]) -> str:
        parts = self.good().split(".")
        parts[part] = change(parts[part])
        return ".".join(parts)

    def padded(self, part: int) -> str:
        """Signed together with its padding."""
        parts = self.good().split(".")[:2]
        text = dumped(self.header if part == 0 else self.claims)
        text += b" " * (2 - len(text) % 3 if len(text) % 3 != 2 else 0)
        parts[part] = base64.urlsafe_b64encode(text + b" " * (1 if len(text) % 3 == 0 else 0)).decode()
        assert part == 2 or parts[part].endswith("=")
        start = ".".join(parts)
        return f"{start}.{encoded(signature(start, self.key.private()))}"


def signature(start: str, key: ec.EllipticCurvePrivateKey) -> bytes:
    r, s = decode_dss_signature(key.sign(start.encode(), ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32) + s.to_bytes(32)
