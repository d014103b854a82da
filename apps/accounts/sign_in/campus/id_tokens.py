"""Checks an ID token (OpenID Connect Core, 3.1.3.7). Everything is checked, although it came over TLS."""

import secrets
from typing import Any

from apps.accounts.sign_in.discovery import Source
from apps.accounts.sign_in.key_sets import UnknownKey, signing_key

LEEWAY = 30  # seconds that clocks may differ
REQUIRED = ["iss", "sub", "aud", "exp", "iat"]
LONGEST_SUBJECT = 191  # what django-allauth stores


class BadAnswer(Exception):
    """The token does not prove who somebody is. The reason is for the log."""


async def verified(token: object, *, source: Source, client_id: str, nonce: str) -> dict[str, Any]:
    """The claims of a token that the issuer made for us and this very sign-in. Raises BadAnswer or IssuerTrouble."""
    import jwt

    if not isinstance(token, str):
        raise BadAnswer("There is no ID token.")
    try:
        header = jwt.get_unverified_header(token)
        key = await signing_key(source, kid=str(header.get("kid", "")))
        claims: dict[str, Any] = jwt.decode(
            token,
            key.key,
            algorithms=list(key.algorithms),
            audience=client_id,
            issuer=source.issuer,
            leeway=LEEWAY,
            options={"require": REQUIRED},
        )
    except UnknownKey as error:
        raise BadAnswer("It is signed with a key that the issuer does not publish.") from error
    except jwt.PyJWTError as error:
        raise BadAnswer(f"{type(error).__name__}: {error}") from error
    _check(claims, client_id=client_id, nonce=nonce)
    return claims


def _check(claims: dict[str, Any], *, client_id: str, nonce: str) -> None:
    given, party = claims.get("nonce"), claims.get("azp")
    if not isinstance(given, str) or not secrets.compare_digest(given.encode(), nonce.encode()):
        raise BadAnswer("The nonce is not that of this sign-in.")
    if party is not None and party != client_id:
        raise BadAnswer("It was issued to another client.")
    if isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and party is None:
        raise BadAnswer("It is for several audiences and does not say to whom it was issued.")
    subject = claims["sub"]
    if not subject.isprintable() or not 0 < len(subject) <= LONGEST_SUBJECT:
        raise BadAnswer("The subject cannot be stored.")


def joined(claims: dict[str, Any], userinfo: dict[str, Any]) -> dict[str, Any]:
    """The token's claims, and those of the user info that it does not have. Raises BadAnswer for another person's.

    That an address is verified is believed of the address about which it was said, and of no other.
    """
    if userinfo and userinfo.get("sub") != claims["sub"]:
        raise BadAnswer("The user info is about somebody else.")
    both = {**userinfo, **claims}
    about_it = (source for source in (claims, userinfo) if source.get("email") == both.get("email"))
    said = [source["email_verified"] for source in about_it if "email_verified" in source]
    return {**both, "email_verified": said[0] if said else None}
