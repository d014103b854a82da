"""The life of a token family: started by credentials, continued by refreshing, ended by signing out."""

import hmac
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.conf import settings

from apps.accounts.models import RevokedToken, TokenFamily
from apps.accounts.models.token_families import standing_of
from apps.accounts.tokens import access_tokens, bearers, refresh_tokens, signing
from apps.accounts.tokens.access_tokens import RefusedToken
from apps.accounts.tokens.callers import Caller
from apps.accounts.tokens.refresh_tokens import RefreshToken
from apps.common.actors import Actor, acting, actor
from apps.common.errors import InvalidCredentials, RateLimited
from apps.common.ids import new_id

IDLE = timedelta(days=7)  # a refresh token that is not used for so long is refused
LONGEST = timedelta(days=30)  # then credentials are needed again
MOST_A_MINUTE = 60  # families that one person may start; each is kept for a week, and its entry for longer


@dataclass(frozen=True, slots=True)
class IssuedTokens:
    """What a client gets."""

    access: str
    refresh: str


def start(caller: Caller, *, now: datetime) -> IssuedTokens:
    """The first tokens of a new family. Raises RateLimited for a person who starts too many."""
    recent = TokenFamily.objects.filter(user=caller.user, created_at__gt=now - timedelta(minutes=1))
    if recent.count() >= MOST_A_MINUTE:
        raise RateLimited("You asked for too many tokens. Renew those that you have at /auth/refresh.", wait=60)
    token = refresh_tokens.first()
    by_password = caller.api_key is None
    with acting(_actor_of(caller)):
        family = TokenFamily.start(
            user=caller.user,
            membership=caller.membership,
            api_key=caller.api_key,
            scopes=caller.scopes.to_claim(),
            handle=token.handle,
            digest=_digest(token),
            standing=standing_of(caller.user, caller.membership, by_password=by_password),
            created_at=now,
            refreshed_at=now,
            expires_at=now + IDLE,
        )
    return IssuedTokens(_access_token(family, now=now), token.text)


def _actor_of(caller: Caller) -> Actor:
    """Who shows a key acts as the member whose key it is: the course may not know the person's own name."""
    if caller.api_key is not None and caller.membership is not None:
        return replace(actor(), kind="student", id=caller.membership.pk, name=caller.membership.external_id)
    return replace(actor(), kind="person", id=caller.user.pk, name=caller.user.get_username())


def refresh(text: str, *, now: datetime) -> IssuedTokens:
    """New tokens for a refresh token, which is spent with that. Raises InvalidCredentials.

    One that was spent before revokes the family, without any grace for a client that lost the answer: whoever has a
    copy of a token looks exactly like it. Of two requests with one token, one succeeds, and the other revokes.
    """
    presented, family = _found(text, now=now)
    if not family.is_good(now=now):
        raise InvalidCredentials
    # Signed first: once the old token is spent, nothing may go wrong any more.
    access, following = _access_token(family, now=now), refresh_tokens.after(presented)
    until = min(now + IDLE, family.created_at + LONGEST)
    if not family.rotate(spent=_digest(presented), digest=_digest(following), expires_at=until, now=now):
        _found(text, now=now)
        raise InvalidCredentials
    return IssuedTokens(access, following.text)


def end(text: str, *, now: datetime) -> None:
    """Revoke the family of a refresh token, and all of its access tokens. Raises InvalidCredentials."""
    _, family = _found(text, now=now)
    if not TokenFamily.objects.filter(pk=family.pk).alive(now=now).revoke(now=now):
        raise InvalidCredentials


def revoke(text: str, *, now: datetime) -> None:
    """Refuse a single access token from now on, also one of a trusted issuer. Raises InvalidCredentials."""
    try:
        bearer = bearers.find(text, now=now)
    except RefusedToken:
        raise InvalidCredentials from None
    RevokedToken.objects.add(issuer=bearer.issuer, jti=bearer.jti, expires_at=bearer.expires_at)


def _found(text: str, *, now: datetime) -> tuple[RefreshToken, TokenFamily]:
    """The token and its family. If the token has been spent, the family is revoked. Raises InvalidCredentials."""
    presented = refresh_tokens.read(text)
    families = TokenFamily.objects.select_related("user", "membership__course", "api_key")
    family = families.filter(handle=presented.handle).first() if presented else None
    if presented is None or family is None:
        raise InvalidCredentials
    if not hmac.compare_digest(family.digest, _digest(presented)):
        TokenFamily.objects.filter(pk=family.pk).revoke(now=now, by_reuse=True)
        raise InvalidCredentials
    return presented, family


def _access_token(family: TokenFamily, *, now: datetime) -> str:
    kid, key = signing.signer(now=now)
    issued_at = int(now.timestamp())
    claims = {
        "iss": settings.TOKEN_ISSUER,
        "aud": access_tokens.AUDIENCE,
        "sub": str(family.user_id),
        "iat": issued_at,
        "nbf": issued_at,
        "exp": issued_at + int(access_tokens.LIFETIME.total_seconds()),
        "jti": new_id(),
        "sid": str(family.pk),
        "token_use": "access",
        "scopes": family.narrowed.to_claim(),
    }
    if family.membership is not None:
        member = family.membership
        claims |= {"membership": member.pk, "course": member.course.slug, "role": str(member.role)}
    return access_tokens.sign(claims, key, kid=kid)


def _digest(token: RefreshToken) -> str:
    return token.digest(pepper=settings.KEY_PEPPER)
