"""Principals: the member behind an API key, cached in memory by a fingerprint of the key."""

import asyncio
import hashlib
import secrets
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
from apps.common.hosting import ANYWHERE, Demand
from apps.common.revisions import Snapshot
from apps.common.zones import zone

T = TypeVar("T")

MAX_KEPT = 50_000
LOADERS = 4
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A resolved caller: the key, its member, and the settings of their course."""

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
    demand: Demand = ANYWHERE


class Principals:
    """Resolves API keys, with a cache that any change of an account clears.

    Concurrent lookups of one key share a query. Unknown keys have a cache of their own, so a flood of them evicts no
    known key.
    """

    def __init__(self) -> None:
        self._pepper: str = settings.KEY_PEPPER
        self._secret = secrets.token_bytes(32)
        self.revision: Snapshot[object] = Snapshot(TOPIC, self._forget)
        self._known: OrderedDict[bytes, Principal] = OrderedDict()
        self._unknown: OrderedDict[bytes, None] = OrderedDict()
        self._loading: dict[bytes, asyncio.Task[Principal | None]] = {}
        self._slots = asyncio.Semaphore(LOADERS)
        self._generation = 0

    def knows(self, text: str | None) -> bool:
        """True if the key is in the cache of known keys. Does no I/O and ignores expiry."""
        return text is not None and self._fingerprint(text) in self._known

    async def authenticate(self, text: str | None, *, now: datetime) -> Principal:
        """The principal of a key. Raises InvalidKey, the same for every cause, or StoreAway."""
        if text is None:
            raise InvalidKey
        principal = self._known.get(self._fingerprint(text)) or await self._load_once(text)
        if principal is None or (principal.expires_at is not None and principal.expires_at <= now):
            raise InvalidKey
        return principal

    def _fingerprint(self, text: str) -> bytes:
        """Identifies a key within this process, at a fifth of the cost of its digest."""
        return hashlib.blake2b(text.encode(), key=self._secret, digest_size=16).digest()

    async def _load_once(self, text: str) -> Principal | None:
        fingerprint = self._fingerprint(text)
        if fingerprint in self._unknown or not keys.is_well_formed(text):
            return None
        task = self._loading.get(fingerprint)
        if task is None:
            task = self._loading[fingerprint] = asyncio.create_task(self._load(text, fingerprint))
            task.add_done_callback(lambda _: self._loading.pop(fingerprint, None))
        return await asyncio.shield(task)

    async def _load(self, text: str, fingerprint: bytes) -> Principal | None:
        generation = self._generation
        async with self._slots:
            principal = await asyncio.to_thread(find, keys.digest(text, pepper=self._pepper))
        if generation == self._generation:
            if principal is None:
                _keep(self._unknown, fingerprint, None)
            else:
                _keep(self._known, fingerprint, principal)
        return principal

    def _forget(self) -> object:
        self._generation += 1
        self._known, self._unknown = OrderedDict(), OrderedDict()
        return self._generation


def _keep(kept: OrderedDict[bytes, T], fingerprint: bytes, value: T) -> None:
    kept[fingerprint] = value
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
    """A member as a caller; without a key where only the allowances matter."""
    course = member.course
    zone(course.timezone)  # loads it from disk now, in a thread, instead of on the first request
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
        demand=course.demand,
    )
