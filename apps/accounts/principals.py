"""Principals: who stands behind an API key, kept in memory by the key's digest."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from django.conf import settings
from django.db import DatabaseError, connection

from apps.accounts import keys
from apps.accounts.models import TOPIC, ApiKey, Membership, Weekday
from apps.common.commit import StoreAway
from apps.common.errors import InvalidKey
from apps.common.revisions import Snapshot
from apps.common.zones import zone

T = TypeVar("T")

MAX_KEPT = 50_000
LOADERS = 4
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A resolved caller: the key, the member it acts for, and what their course says."""

    key_id: int
    membership_id: int
    course_id: int
    course_slug: str
    role: str
    expires_at: datetime | None
    is_open: bool
    logging: str
    timezone: str
    first_day: int
    joined_at: datetime = LONG_AGO


class Principals:
    """Looks keys up, once each however many ask, and forgets all of them when any account changes.

    Unknown keys are remembered apart from known ones, so that a flood of them pushes nobody out.
    """

    def __init__(self) -> None:
        self._pepper: str = settings.KEY_PEPPER
        self.revision: Snapshot[object] = Snapshot(TOPIC, self._forget)
        self._known: OrderedDict[str, Principal] = OrderedDict()
        self._unknown: OrderedDict[str, None] = OrderedDict()
        self._loading: dict[str, asyncio.Task[Principal | None]] = {}
        self._slots = asyncio.Semaphore(LOADERS)
        self._generation = 0

    def knows(self, text: str | None) -> bool:
        """Whether this key has been looked up before and is good, as far as can be told without asking anyone."""
        return text is not None and keys.digest(text, pepper=self._pepper) in self._known

    async def authenticate(self, text: str | None, *, now: datetime) -> Principal:
        """The principal of a key. Raises InvalidKey, the same for every cause."""
        if text is None or not keys.is_well_formed(text):
            raise InvalidKey
        digest = keys.digest(text, pepper=self._pepper)
        principal = self._known.get(digest) or await self._load_once(digest)
        if principal is None or (principal.expires_at is not None and principal.expires_at <= now):
            raise InvalidKey
        return principal

    async def _load_once(self, digest: str) -> Principal | None:
        if digest in self._unknown:
            return None
        task = self._loading.get(digest)
        if task is None:
            task = self._loading[digest] = asyncio.create_task(self._load(digest))
            task.add_done_callback(lambda _: self._loading.pop(digest, None))
        return await asyncio.shield(task)

    async def _load(self, digest: str) -> Principal | None:
        generation = self._generation
        async with self._slots:
            principal = await asyncio.to_thread(find, digest)
        if generation == self._generation:
            if principal is None:
                _keep(self._unknown, digest, None)
            else:
                _keep(self._known, digest, principal)
        return principal

    def _forget(self) -> object:
        self._generation += 1
        self._known, self._unknown = OrderedDict(), OrderedDict()
        return self._generation


def _keep(kept: OrderedDict[str, T], digest: str, value: T) -> None:
    kept[digest] = value
    if len(kept) > MAX_KEPT:
        kept.popitem(last=False)


def find(digest: str) -> Principal | None:
    """Read the principal of a digest from the database. Blocking: call it in a thread. Raises StoreAway."""
    try:
        row = (
            ApiKey.objects.select_related("membership__course")
            .filter(digest=digest, revoked_at=None, membership__is_active=True, membership__user__is_active=True)
            .first()
        )
        return row and _principal(row)
    except DatabaseError as error:
        raise StoreAway from error
    finally:
        connection.close_if_unusable_or_obsolete()


def _principal(row: ApiKey) -> Principal:
    return principal_of(row.membership, key_id=row.pk, expires_at=row.expires_at)


def principal_of(member: Membership, *, key_id: int = 0, expires_at: datetime | None = None) -> Principal:
    """A member as a caller, with a key or, where only their allowances matter, without."""
    course = member.course
    zone(course.timezone)  # read from disk here, in a thread, rather than when the first request needs its week
    return Principal(
        key_id=key_id,
        membership_id=member.pk,
        course_id=course.pk,
        course_slug=course.slug,
        role=member.role,
        expires_at=expires_at,
        is_open=course.is_open,
        logging=course.logging,
        timezone=course.timezone,
        first_day=Weekday(course.week_starts).number,
        joined_at=member.created_at,
    )
