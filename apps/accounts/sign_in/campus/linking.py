"""Who somebody is that an issuer has signed in: the person here who is linked, or is found by ID or verified address.

An address that is not verified finds nobody, and neither does one that two people have. Whoever is refused is told
what to do about it.
"""

from allauth.socialaccount.models import SocialAccount
from django.utils.translation import gettext

from apps.accounts.models import Issuer, User
from apps.accounts.sign_in.campus.claims import Claims


class Refusal(Exception):
    """Somebody may not come in. The sentence is for them."""


def person_of(issuer: Issuer, claims: Claims) -> User | None:
    """None for somebody whom nobody knows yet. Raises Refusal."""
    link = SocialAccount.objects.filter(provider=issuer.issuer, uid=claims.subject).select_related("user").first()
    user: User | None = link.user if link is not None else _found(issuer, claims)
    if user is not None and not user.is_active:
        raise Refusal(gettext("Your account here was deactivated. Ask an operator if that is a mistake."))
    return user


def _found(issuer: Issuer, claims: Claims) -> User | None:
    by_id = User.objects.filter(campus_id=claims.campus_id).first() if claims.campus_id else None
    by_email = list(User.objects.filter(email__iexact=claims.email)[:2]) if claims.email else []
    if by_id is None and len(by_email) > 1:
        raise Refusal(
            gettext("Several people here have the address {email}. Ask an operator to leave it to one of them.").format(
                email=claims.email
            )
        )
    if by_id is not None and by_email and by_id not in by_email:
        raise Refusal(
            gettext("Your campus ID and your e-mail address belong to two people here. Ask an operator which is you.")
        )
    user = by_id or (by_email[0] if by_email else None)
    if user is not None:
        _must_be_free(issuer, user, claims)
    return user


def _must_be_free(issuer: Issuer, user: User, claims: Claims) -> None:
    """Addresses are given to others after years. One that is linked already is not given to the next account."""
    if SocialAccount.objects.filter(provider=issuer.issuer, user=user).exists():
        raise Refusal(
            gettext(
                "The person here with your address or ID signs in with another account of {issuer}. Ask "
                "an operator to remove that link if it was yours."
            ).format(issuer=issuer)
        )
    if claims.campus_id and user.campus_id not in ("", claims.campus_id):
        raise Refusal(
            gettext("The person here with your e-mail address has another campus ID. Ask an operator to correct it.")
        )


def link(issuer: Issuer, user: User, claims: Claims) -> SocialAccount:
    """The link by which the person is found from now on. Nothing that the issuer said is kept in it."""
    found, _ = SocialAccount.objects.get_or_create(provider=issuer.issuer, uid=claims.subject, defaults={"user": user})
    return found


def newcomer(claims: Claims) -> User:
    """A person whom only groups know: without a password, and with an address only if it is verified."""
    name = claims.username or claims.email.partition("@")[0] or "campus"
    user = User(
        username=User.free_username(name),
        email=claims.email,
        first_name=claims.first_name,
        last_name=claims.last_name,
        campus_id=claims.campus_id,
    )
    user.set_unusable_password()
    user.save()
    return user


def why_unknown(issuer: Issuer, claims: Claims) -> str:
    """What to tell somebody whom nobody knows and whose groups give nothing."""
    if claims.unverified_email and User.objects.filter(email__iexact=claims.unverified_email).exists():
        return gettext(
            "{issuer} does not say that your e-mail address is verified, so it does not tell Stoa "
            "who you are. Verify it there, or ask an operator to enter your campus ID."
        ).format(issuer=issuer)
    if claims.groups.problem:
        return gettext("Nobody here is known by your address or ID, and your groups are unknown. {problem}").format(
            problem=claims.groups.problem
        )
    return gettext(
        "Nobody here is known by your address or ID, and none of your groups gives you anything. "
        "Ask the operators or your instructor to add you."
    )
