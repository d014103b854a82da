"""Access tokens of issuers that an operator trusts: verified with their keys, for people who are known here already.

A token gives nobody a role: rights are those that the person has here. Groups give roles at sign-in only.
"""

import asyncio
from datetime import datetime, timedelta

from apps.accounts.models import Issuer, Membership, RevokedToken, User
from apps.accounts.scopes import ALL
from apps.accounts.sign_in.campus import claims as campus
from apps.accounts.sign_in.campus.linking import Refusal, person_of
from apps.accounts.sign_in.discovery import IssuerTrouble, Source
from apps.accounts.sign_in.key_sets import UnknownKey, signing_key
from apps.accounts.tokens import access_tokens
from apps.accounts.tokens.access_tokens import NotYet, RefusedToken, Unverified
from apps.accounts.tokens.bearer import Bearer

LONGEST = timedelta(days=1)  # what lives longer is no access token
_OTHERS = frozenset({"at_hash", "c_hash", "events"})  # claims of ID tokens and logout tokens
_TYPES = {None, "JWT", "at+jwt", "application/at+jwt"}


def bearer(token: Unverified) -> Bearer:
    """Whose token it is. Raises RefusedToken, or NotYet where the answer may soon be another one."""
    issuer = Issuer.objects.filter(issuer=token.issuer, is_active=True).exclude(token_audience="").first()
    if issuer is None:
        raise RefusedToken("unknown issuer")
    _verify(token, issuer)
    claims = campus.read(token.claims, groups_claim=issuer.groups_claim, id_claim=issuer.id_claim)
    user = _person(issuer, claims, issued_at=token.issued_at)
    return Bearer(
        user=user,
        membership=_membership(user, token.claims.get("course")),
        scopes=ALL,
        expires_at=token.expires_at,
        issuer=token.issuer,
        jti=token.jti,
        second_factor="shown" if _has_shown(issuer, claims) else "missing",
    )


def _has_shown(issuer: Issuer, claims: campus.Claims) -> bool:
    asks = Issuer.SecondFactor(issuer.second_factor)
    return asks == asks.ALWAYS or (asks == asks.CLAIM and claims.second_factor)


def _verify(token: Unverified, issuer: Issuer) -> None:
    if token.header.get("typ") not in _TYPES or not _OTHERS.isdisjoint(token.claims):
        raise RefusedToken("another kind of token")
    source = Source(issuer=issuer.issuer, allow_private=issuer.allow_private_network)
    try:
        key = asyncio.run(signing_key(source, kid=token.kid))
    except (UnknownKey, IssuerTrouble) as error:
        raise NotYet("the key is not known") from error
    if token.header["alg"] not in key.algorithms:
        raise RefusedToken("not an algorithm of this key")
    access_tokens.verify(
        token, key.key, algorithm=token.header["alg"], issuer=issuer.issuer, audience=issuer.token_audience
    )
    if token.claims["exp"] - token.claims["iat"] > LONGEST.total_seconds():
        raise RefusedToken("it lives too long")
    if RevokedToken.objects.has(issuer=token.issuer, jti=token.jti):
        raise RefusedToken("revoked")


def _person(issuer: Issuer, claims: campus.Claims, *, issued_at: datetime) -> User:
    try:
        user = person_of(issuer, claims)
    except Refusal as error:
        raise RefusedToken("refused") from error
    if user is None:
        raise RefusedToken("nobody here")
    if user.tokens_not_before is not None and issued_at < user.tokens_not_before:
        raise RefusedToken("signed out since")
    return user


def _membership(user: User, course: object) -> Membership | None:
    """In the course that the token names, or else in their only one."""
    active = Membership.objects.filter(user=user, is_active=True).select_related("course")
    if course is not None:
        return active.filter(course__slug=course).first() if isinstance(course, str) else None
    found = list(active[:2])
    return found[0] if len(found) == 1 else None
