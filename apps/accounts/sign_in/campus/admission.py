"""One sign-in through an issuer, from claims to a person with the roles that groups and people give."""

from dataclasses import dataclass, replace
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext

from apps.accounts.models import Issuer, Membership, User
from apps.accounts.sign_in.campus.claims import Claims
from apps.accounts.sign_in.campus.grants import GroupRole, Wanted, wanted
from apps.accounts.sign_in.campus.linking import Refusal, link, newcomer, person_of, why_unknown
from apps.accounts.sign_in.campus.roles import Person, give, grants_of
from apps.common.actors import acting, actor
from apps.common.translation import lazy as _

NOTHING_HERE = _("There is nothing here for you to sign in to.")
STUDENTS = _(
    "You are known here as a student. Students have no pages yet: they use an API key, which their staff issue."
)


@dataclass(frozen=True, slots=True)
class Admitted:
    """Who may come in, and sentences for them."""

    user: User
    told: tuple[str, ...]


def admit(issuer: Issuer, claims: Claims, *, now: datetime) -> Admitted:
    """Raises Refusal. What groups no longer give is taken all the same, if the person is known."""
    grants = grants_of(issuer)
    with transaction.atomic():
        user = _known_or_new(issuer, claims, wanted(claims.groups.names, grants))
        with acting(replace(actor(), kind="person", id=user.pk, name=user.get_username())):
            told = _given(issuer, user, claims, grants, now)
    if not user.is_staff:
        raise Refusal(" ".join([*told, _why_nothing(user)]))
    return Admitted(user, tuple(told))


def counts_second_factor(issuer: Issuer, claims: Claims) -> bool:
    """Whether the issuer's second factor counts here. Whoever has one here as well is asked for that all the same."""
    trusts = Issuer.SecondFactor(issuer.second_factor)
    return trusts == trusts.ALWAYS or (trusts == trusts.CLAIM and claims.second_factor)


def _known_or_new(issuer: Issuer, claims: Claims, given: Wanted) -> User:
    user = person_of(issuer, claims)
    if user is None and given.is_nothing:
        raise Refusal(why_unknown(issuer, claims))
    account = link(issuer, user or newcomer(claims), claims)
    linked: User = User.objects.select_for_update().get(pk=account.user_id)
    return linked


def _given(issuer: Issuer, user: User, claims: Claims, grants: list[GroupRole], now: datetime) -> list[str]:
    external_id = claims.campus_id or f"{issuer.name}:{claims.subject}"
    told = give(
        Person(user=user, issuer=issuer, external_id=external_id[:100]),
        wanted(claims.groups.names, grants),
        now=now,
    )
    if claims.groups.problem and (grants or told):
        told.insert(0, gettext("{problem} So groups give you nothing this time.").format(problem=claims.groups.problem))
    return told


def _why_nothing(user: User) -> str:
    return str(STUDENTS if Membership.objects.filter(user=user, is_active=True).exists() else NOTHING_HERE)
