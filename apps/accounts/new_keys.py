"""New keys on their way to the person who issued them: kept for a few minutes, and shown once.

The page that issues keys redirects, so that reloading issues nothing; the page after it takes the texts from here. They
are encrypted in the shared cache, under a name that stands in the session alone, and open for this session and this
person only. Taking them deletes them.
"""

import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.cache import cache

from apps.accounts.models import ApiKey, Membership, StaffKey
from apps.common import encryption

KEPT = timedelta(minutes=10)
_NAMES = "new_keys"  # in the session


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """The text of a new key, and whose it is. Without a course it is a key of staff."""

    text: str
    number: str = ""
    name: str = ""
    email: str = ""
    course: str = ""
    slug: str = ""


class NotKept(Exception):
    """The cache took nothing. Whoever issues keys must undo it, since nobody would ever see them."""


def of_member(member: Membership, text: str) -> NewKey:
    course = member.course
    return NewKey(
        text=text,
        number=member.external_id,
        name=member.person,
        email=member.email,
        course=str(course),
        slug=course.slug,
    )


def of_row(row: ApiKey | StaffKey, text: str) -> NewKey:
    return of_member(row.membership, text) if isinstance(row, ApiKey) else NewKey(text=text)


def put_aside(request: Any, keys: Sequence[NewKey]) -> None:
    """Keep new keys for the next page. Call it in the transaction that issues them. Raises NotKept."""
    name = secrets.token_hex(16)
    sealed = seal(request, keys, purpose=name)
    if not cache.add(_cached(name), sealed, timeout=KEPT.total_seconds()):
        raise NotKept
    request.session[_NAMES] = [*request.session.get(_NAMES, ()), name]


def take(request: Any) -> list[NewKey]:
    """The keys that wait for this session, which nobody gets again. Of several requests at once, one gets them."""
    names = request.session.pop(_NAMES, [])
    opened = [(name, _open(request, name)) for name in names]
    return [key for name, keys in opened if keys and cache.delete(_cached(name)) for key in keys]


def _open(request: Any, name: str) -> list[NewKey]:
    """What waits under this name; nothing if it is too late, or another session's."""
    try:
        return unseal(request, cache.get(_cached(name)) or "", purpose=name)
    except encryption.CannotDecrypt:
        return []


def wait_for(request: Any) -> bool:
    """Whether keys were issued in this session that have not been shown. They may be gone: `KEPT` is not long."""
    return any(cache.get(_cached(name)) is not None for name in request.session.get(_NAMES, ()))


def seal(request: Any, keys: Sequence[NewKey], *, purpose: str) -> str:
    """The keys as a text that opens in this session alone."""
    plain = json.dumps([asdict(key) for key in keys])
    return encryption.encrypt(plain, place=_place(request, purpose), keys=settings.SECRET_KEYS)


def unseal(request: Any, sealed: str, *, purpose: str) -> list[NewKey]:
    """Raises CannotDecrypt."""
    plain = encryption.decrypt(sealed, place=_place(request, purpose), keys=settings.SECRET_KEYS)
    return [NewKey(**values) for values in json.loads(plain)]


def _place(request: Any, purpose: str) -> str:
    return f"new keys:{request.user.pk}:{request.session.session_key}:{purpose}"


def _cached(name: str) -> str:
    return f"new-keys:{name}"
