"""Who looks at the pages of students, and in which courses they may.

Somebody who is signed in sees the courses of their account. Everybody else enters with an API key: the session then
remembers which, and ends with it. The text of the key is stored nowhere.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest

from apps.accounts import keys
from apps.accounts.models import ApiKey, Membership
from apps.accounts.models.fields import Role

_KEY: Final = "portal_key"  # in the session


@dataclass(frozen=True, slots=True)
class Visitor:
    """`key` is the key that they entered with; None if they are signed in. `members` are theirs, one a course."""

    members: tuple[Membership, ...]
    key: ApiKey | None = None

    def in_course(self, slug: str) -> Membership | None:
        return next((member for member in self.members if member.course.slug == slug), None)

    def may_change(self, key_id: int) -> bool:
        """Replace or revoke a key. Who entered with a key may do so with that one: it might have been found."""
        return self.key is None or self.key.pk == key_id


def visitor(request: HttpRequest, *, now: datetime) -> Visitor | None:
    """Whoever asks, or None if nobody may know. Takes one query."""
    if request.user.is_authenticated:
        return Visitor(tuple(_people().filter(user=request.user, user__is_active=True)))
    key = _key_of(request, now=now)
    return Visitor((key.membership,), key) if key else None


def enter(request: HttpRequest, text: str, *, now: datetime) -> Membership | None:
    """Begin a session with a key. None if it opens nothing here; that says no more about why."""
    key = _accepted(text.strip(), now=now)
    if key is None:
        return None
    request.session.cycle_key()
    request.session[_KEY] = key.pk
    return key.membership


def leave(request: HttpRequest) -> None:
    """End what began with a key. Somebody who is signed in stays so."""
    if _KEY in request.session:
        request.session.flush()


def keep(request: HttpRequest, key: ApiKey) -> None:
    """Go on with the key that has taken the place of the one that was entered."""
    if _KEY in request.session:
        request.session[_KEY] = key.pk


def _accepted(text: str, *, now: datetime) -> ApiKey | None:
    if not keys.is_well_formed(text, prefixes=(keys.PREFIX,)):
        return None
    key: Any = ApiKey.objects.accepted(keys.digest(text, pepper=settings.KEY_PEPPER))
    return key if key is not None and _opens(key, now=now) else None


def _key_of(request: HttpRequest, *, now: datetime) -> ApiKey | None:
    pk = request.session.get(_KEY)
    if pk is None:
        return None
    rows = ApiKey.objects.select_related("membership__course", "membership__user")
    key = rows.filter(pk=pk, membership__is_active=True, membership__user__is_active=True).first()
    return key if key is not None and _opens(key, now=now) else None


def _opens(key: ApiKey, *, now: datetime) -> bool:
    """Keys of programs, and keys that were narrowed to something else, open no pages of people."""
    return (
        key.is_valid(now=now)
        and key.membership.role != Role.SERVICE
        and key.scopes.admits_surface("usage")
        and not key.scopes.assignment
    )


def _people() -> Any:
    rows = Membership.objects.filter(is_active=True).exclude(role=Role.SERVICE)
    return rows.select_related("course", "user").order_by("course__title", "course__slug")
