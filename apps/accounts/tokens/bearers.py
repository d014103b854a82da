"""Whoever presents an access token: the token verified, and its holder looked up as they are now."""

from datetime import datetime

from django.conf import settings

from apps.accounts.models import RevokedToken, TokenFamily, TokenKey
from apps.accounts.tokens import access_tokens, foreign
from apps.accounts.tokens.access_tokens import AUDIENCE, RefusedToken, Unverified
from apps.accounts.tokens.bearer import Bearer

_MOST_DIGITS = 18


def find(text: str, *, now: datetime) -> Bearer:
    """The bearer of a token. Blocking. Raises RefusedToken, or NotYet for one that may become good."""
    token = access_tokens.read(text)
    return _ours(token, now=now) if token.issuer == settings.TOKEN_ISSUER else foreign.bearer(token)


def _ours(token: Unverified, *, now: datetime) -> Bearer:
    import jwt  # 1 MB, and many institutions use no tokens

    if not access_tokens.is_ours(token):
        raise RefusedToken("not as we sign")
    row = TokenKey.objects.published(now=now).filter(kid=token.kid).first()
    if row is None:
        raise RefusedToken("unknown key")
    key = jwt.PyJWK(row.public_jwk, algorithm=access_tokens.ALGORITHM).key
    access_tokens.verify(token, key, algorithm=access_tokens.ALGORITHM, issuer=settings.TOKEN_ISSUER, audience=AUDIENCE)
    if token.claims.get("token_use") != "access" or "nbf" not in token.claims:
        raise RefusedToken("no access token")
    if RevokedToken.objects.has(issuer=token.issuer, jti=token.jti):
        raise RefusedToken("revoked")
    return _holder(_family(token), token, now=now)


def _family(token: Unverified) -> TokenFamily:
    sid = token.claims.get("sid")
    if not (isinstance(sid, str) and sid.isascii() and sid.isdigit() and len(sid) <= _MOST_DIGITS):
        raise RefusedToken("sid is missing")
    family = TokenFamily.objects.select_related("user", "membership__course", "api_key").filter(pk=int(sid)).first()
    if family is None or str(family.user_id) != token.claims["sub"]:
        raise RefusedToken("no family")
    return family


def _holder(family: TokenFamily, token: Unverified, *, now: datetime) -> Bearer:
    if not family.is_good(now=now):
        raise RefusedToken("its family is not good any more")
    ends = [token.expires_at]
    if family.api_key is not None and family.api_key.expires_at is not None:
        ends.append(family.api_key.expires_at)
    return Bearer(
        user=family.user,
        membership=family.membership,
        api_key=family.api_key,
        scopes=family.narrowed,
        expires_at=min(ends),
        issuer=token.issuer,
        jti=token.jti,
        second_factor="own" if family.api_key is None else "missing",
    )
