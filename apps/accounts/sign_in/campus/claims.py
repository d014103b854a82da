"""What an issuer says about a person, read without trusting its shape. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext

MOST_GROUPS = 2_000
LONGEST_GROUP = 200
LONGEST_ID = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """A person's groups. `problem` says why they are unknown; then they give nothing."""

    names: frozenset[str] = frozenset()
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """`email` is empty unless the issuer says that it is verified; `unverified_email` is for sentences only."""

    subject: str
    email: str = ""
    unverified_email: str = ""
    campus_id: str = ""
    username: str = ""
    first_name: str = ""
    last_name: str = ""
    groups: Groups = Groups()
    second_factor: bool = False


def read(claims: Mapping[str, Any], *, groups_claim: str, id_claim: str) -> Claims:
    email, verified = _line(claims.get("email"), 254), claims.get("email_verified")
    email, is_verified = (email if "@" in email else ""), verified is True or verified == "true"
    return Claims(
        subject=str(claims["sub"]),
        email=email if is_verified else "",
        unverified_email="" if is_verified else email,
        campus_id=_campus_id(found(claims, id_claim)) if id_claim else "",
        username=_line(claims.get("preferred_username"), 150),
        first_name=_line(claims.get("given_name"), 150),
        last_name=_line(claims.get("family_name"), 150),
        groups=groups(claims, groups_claim),
        second_factor=asked_for_second_factor(claims),
    )


def groups(claims: Mapping[str, Any], claim: str) -> Groups:
    """Some issuers send a single group as text, others all of them as a list. Everything else is no groups."""
    value = found(claims, claim)
    if value is None:
        return Groups(problem=_why_missing(claims, claim))
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return Groups(problem=gettext("The claim {claim} is no list of names.").format(claim=claim))
    if len(names) > MOST_GROUPS or any(len(name) > LONGEST_GROUP for name in names):
        return Groups(problem=gettext("The claim {claim} is too long.").format(claim=claim))
    return Groups(names=frozenset(names))


def _why_missing(claims: Mapping[str, Any], claim: str) -> str:
    elsewhere = claims.get("_claim_names")  # how Entra says that there are too many
    if isinstance(elsewhere, Mapping) and claim in elsewhere:
        return gettext("You are in more groups than the issuer lists. Its operators can send app roles instead.")
    return gettext("The issuer sent no claim {claim}.").format(claim=claim)


def found(claims: Mapping[str, Any], claim: str) -> Any:
    """The value of a claim. A name may contain dots itself; else they lead into objects."""
    if claim in claims:
        return claims[claim]
    value: Any = claims
    for part in claim.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def asked_for_second_factor(claims: Mapping[str, Any]) -> bool:
    """True if the issuer says so, in amr (RFC 8176, 2) or in the acr of REFEDS' MFA profile."""
    amr = claims.get("amr")
    return (isinstance(amr, list) and "mfa" in amr) or claims.get("acr") == "https://refeds.org/profile/mfa"


def _campus_id(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    text = value if isinstance(value, str) else ""
    return text if 0 < len(text) <= LONGEST_ID and text.isprintable() and text == text.strip() else ""


def _line(value: Any, most: int) -> str:
    """A text of one line, or nothing."""
    text = value.strip() if isinstance(value, str) else ""
    return text if len(text) <= most and text.isprintable() else ""
