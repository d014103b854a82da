"""Credentials: who presents them. Every refusal is the same InvalidCredentials."""

from datetime import datetime

from django.conf import settings
from django.http import HttpRequest

from apps.accounts import keys
from apps.accounts.audit import record
from apps.accounts.models import ApiKey, Membership, User
from apps.accounts.scopes import Scopes
from apps.accounts.sign_in import throttle
from apps.accounts.sign_in.passwords import checked
from apps.accounts.tokens import second_factors
from apps.accounts.tokens.callers import Caller
from apps.common.errors import InvalidCredentials


def by_key(text: str, *, course: str | None, scopes: Scopes, now: datetime) -> Caller:
    """The member whose API key this is. A token of it is never good for more than the key."""
    is_one = keys.is_well_formed(text)
    key = ApiKey.objects.accepted(keys.digest(text, pepper=settings.KEY_PEPPER)) if is_one else None
    if key is None or not key.is_valid(now=now) or course not in (None, key.membership.course.slug):
        raise InvalidCredentials
    member = key.membership
    return Caller(user=member.user, membership=member, api_key=key, scopes=key.scopes.narrowed(scopes))


def by_password(
    request: HttpRequest, *, username: str, password: str, code: str | None, course: str | None, scopes: Scopes
) -> Caller:
    """The member of staff who signs in. Raises RateLimited after too many failures, before a hash is computed."""
    user = checked(request, username=username, password=password)
    if user is None:
        raise InvalidCredentials
    if not second_factors.accepted(user, code):
        # Counted like a wrong password: otherwise the limit would tell that this one was right.
        throttle.attempt(request, username, guessed="password")
        record("second_factor.failed", subject=user)
        raise InvalidCredentials
    return Caller(user=user, membership=_membership(user, course), scopes=scopes)


def _membership(user: User, course: str | None) -> Membership | None:
    """In the course that was named, or else in their only one. Nobody's member is welcome on the staff API."""
    active = Membership.objects.filter(user=user, is_active=True).select_related("course")
    if course is None:
        found = list(active[:2])
        return found[0] if len(found) == 1 else None
    named: Membership | None = active.filter(course__slug=course).first()
    if named is None:
        raise InvalidCredentials
    return named
