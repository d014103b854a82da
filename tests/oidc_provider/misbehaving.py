"""What the provider does wrong when it is told to. All of it happens here, so that the rest is as allauth made it.

Quirks:  away: every address answers 503.   document: changes in the discovery document; null takes a field out.
claims: changes in the ID token.   header: changes in its header.   signed: how it is signed instead, see `_signed`.
shift: seconds by which its clock is off.   token: what the token endpoint answers instead.   userinfo: changes there.
claims_in: the places where the people's claims are found.
"""

import json
import time
from collections.abc import Callable
from typing import Any

import jwt
from allauth.core.internal.jwkkit import load_jwk_from_pem
from cryptography.hazmat.primitives import serialization
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse

from tests.oidc_provider.state import STATE, new_pem

Respond = Callable[[HttpRequest], HttpResponse]


class AsWhom:
    """Who sends the cookie `as` is that person. A browser signs in with a password."""

    def __init__(self, respond: Respond) -> None:
        self.respond = respond

    def __call__(self, request: HttpRequest) -> HttpResponse:
        name = request.COOKIES.get("as")
        if name:
            request.user, _ = User.objects.get_or_create(username=name)
        return self.respond(request)


class Misbehaving:
    def __init__(self, respond: Respond) -> None:
        self.respond = respond

    def __call__(self, request: HttpRequest) -> HttpResponse:
        page = request.path.rpartition("/")[2]
        if request.path.startswith("/control/"):
            return self.respond(request)
        STATE.served[page] = STATE.served.get(page, 0) + 1
        if STATE.quirks.get("away"):
            return HttpResponse(b"gone fishing", status=503)
        response = self.respond(request)
        if response.status_code == 200 and page in ANSWERS:
            response.content = json.dumps(ANSWERS[page](json.loads(response.content))).encode()
            response.headers.pop("Content-Length", None)
        return response


def _document(answer: dict[str, Any]) -> dict[str, Any]:
    return _changed(answer, STATE.quirks.get("document", {}))


def _userinfo(answer: dict[str, Any]) -> dict[str, Any]:
    return _changed(answer, STATE.quirks.get("userinfo", {}))


def _token(answer: dict[str, Any]) -> Any:
    if "token" in STATE.quirks:
        return STATE.quirks["token"]
    claims = jwt.decode(answer["id_token"], options={"verify_signature": False})
    shift = STATE.quirks.get("shift", 0)
    claims |= {name: claims[name] + shift for name in ("iat", "exp") if name in claims}
    return {**answer, "id_token": _signed(_changed(claims, STATE.quirks.get("claims", {})))}


def _signed(claims: dict[str, Any]) -> str:
    """`signed` is none, public (the public key as a shared secret), or stranger (a key that is published nowhere)."""
    jwk, key = load_jwk_from_pem(STATE.pems[-1])
    header = {"kid": jwk["kid"], **STATE.quirks.get("header", {})}
    how = STATE.quirks.get("signed")
    if how == "none":
        return jwt.encode(claims, None, algorithm="none", headers=header)
    if how == "public":
        spki = serialization.PublicFormat.SubjectPublicKeyInfo
        pem = key.public_key().public_bytes(serialization.Encoding.PEM, spki)
        return _hs256(claims, pem, header)
    if how == "stranger":
        key = load_jwk_from_pem(new_pem())[1]
    return jwt.encode(claims, key, algorithm="RS256", headers=header)


def _hs256(claims: dict[str, Any], secret: bytes, header: dict[str, Any]) -> str:
    """By hand, since PyJWT refuses to take a public key for a secret."""
    import base64
    import hmac

    def part(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    said = f"{part(json.dumps({'alg': 'HS256', **header}).encode())}.{part(json.dumps(claims).encode())}"
    return f"{said}.{part(hmac.digest(secret, said.encode(), 'sha256'))}"


def _changed(value: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """null takes a field out. `{"in": seconds}` is an instant that far away."""
    merged = {**value, **changes}
    return {
        name: int(time.time()) + one["in"] if isinstance(one, dict) and set(one) == {"in"} else one
        for name, one in merged.items()
        if one is not None
    }


ANSWERS = {"openid-configuration": _document, "token": _token, "userinfo": _userinfo}
