"""Principals: the member behind an API key or an access token, cached in memory by a fingerprint of its text."""

import asyncio
import hashlib
import logging
import secrets
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from django.conf import settings
from django.db import DatabaseError, connection

from apps.accounts import keys
from apps.accounts.models import TOKENS, TOPIC, ApiKey, Membership, Weekday
from apps.accounts.scopes import ALL, Scopes
from apps.accounts.tokens import access_tokens, bearers
from apps.accounts.tokens.access_tokens import NotYet, RefusedToken
from apps.accounts.tokens.bearer import Bearer
from apps.common.commit import StoreAway
from apps.common.errors import InvalidKey
from apps.common.hosting import ANYWHERE, Demand
from apps.common.revisions import Snapshot
from apps.common.zones import zone

T = TypeVar("T")
logger = logging.getLogger(__name__)

MAX_KEPT = 50_000
LOADERS = 4
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
# Added to a membership's id where a caller has no key: limits of a key then hold for all tokens of the member together.
KEYLESS = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A resolved caller: the key, its member, and the settings of their course. Tokens of a key have its id."""

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
    scopes: Scopes = ALL
    user_id: int = 0


class Principals:
    """Resolves API keys and access tokens, with a cache that any change of an account clears.

    Concurrent lookups of one key share a query. Unknown keys have a cache of their own, so a flood of them evicts no
    known key. So have tokens, and one that is revoked makes nobody look up keys again.
    """

    def __init__(self) -> None:
        self._pepper: str = settings.KEY_PEPPER
        self._secret = secrets.token_bytes(32)
        self.revision: Snapshot[object] = Snapshot(TOPIC, self._forget)
        self.token_revision: Snapshot[object] = Snapshot(TOKENS, self._forget_tokens)
        self._known: OrderedDict[bytes, Principal] = OrderedDict()
        self._tokens: OrderedDict[bytes, Principal] = OrderedDict()
        self._unknown: OrderedDict[bytes, None] = OrderedDict()
        self._loading: dict[bytes, asyncio.Task[Principal | None]] = {}
        self._slots = asyncio.Semaphore(LOADERS)
        self._token_slots = asyncio.Semaphore(LOADERS)  # of their own: keys need not wait for an issuer

    def knows(self, text: str | None) -> bool:
        """True if the key or token is in the cache of known ones. Does no I/O and ignores expiry."""
        if text is None:
            return False
        fingerprint = self._fingerprint(text)
        return fingerprint in self._known or fingerprint in self._tokens

    async def authenticate(self, text: str | None, *, now: datetime) -> Principal:
        """The principal of a key or a token. Raises InvalidKey, the same for every cause, or StoreAway."""
        if text is None:
            raise InvalidKey
        principal = self._known.get(self._fingerprint(text)) or await self._load_once(text, now)
        if principal is None or (principal.expires_at is not None and principal.expires_at <= now):
            raise InvalidKey
        return principal

    def _fingerprint(self, text: str) -> bytes:
        """Identifies a key within this process, at a fifth of the cost of its digest."""
        return hashlib.blake2b(text.encode(), key=self._secret, digest_size=16).digest()

    async def _load_once(self, text: str, now: datetime) -> Principal | None:
        fingerprint = self._fingerprint(text)
        if (kept := self._tokens.get(fingerprint)) is not None:
            return kept
        is_token = access_tokens.looks_like_one(text)
        if fingerprint in self._unknown or not (is_token or keys.is_well_formed(text)):
            return None
        loading = self._loading
        task = loading.get(fingerprint)
        if task is None:
            work = self._load_token(text, fingerprint, now) if is_token else self._load(text, fingerprint)
            task = loading[fingerprint] = asyncio.create_task(work)
            task.add_done_callback(lambda _: loading.pop(fingerprint, None))
        return await asyncio.shield(task)

    # What is read before a change goes into the caches from before it, which nobody looks into any more. So it does not
    # matter when another thread replaces them.

    async def _load(self, text: str, fingerprint: bytes) -> Principal | None:
        known, unknown = self._known, self._unknown
        async with self._slots:
            principal = await asyncio.to_thread(find, keys.digest(text, pepper=self._pepper))
        if principal is None:
            _keep(unknown, fingerprint, None)
        else:
            _keep(known, fingerprint, principal)
        return principal

    async def _load_token(self, text: str, fingerprint: bytes, now: datetime) -> Principal | None:
        tokens, unknown = self._tokens, self._unknown
        async with self._token_slots:
            principal = await asyncio.to_thread(find_token, text, now)
        if principal is None:
            _keep(unknown, fingerprint, None)
        else:
            _keep(tokens, fingerprint, principal)
        return principal

    def _forget(self) -> object:
        self._known, self._unknown = OrderedDict(), OrderedDict()
        return self._forget_tokens()

    def _forget_tokens(self) -> object:
        self._tokens, self._loading = OrderedDict(), {}
        return object()


def _keep(kept: OrderedDict[bytes, T], fingerprint: bytes, value: T) -> None:
    kept[fingerprint] = value
    if len(kept) > MAX_KEPT:
        kept.popitem(last=False)


def find(digest: str) -> Principal | None:
    """Read the principal of a digest from the database. Blocking: call it in a thread. Raises StoreAway."""
    try:
        row = ApiKey.objects.accepted(digest)
        return _principal(row) if row else None
    except DatabaseError as error:
        raise StoreAway from error
    finally:
        connection.close_if_unusable_or_obsolete()


def ended_among(callers: Collection[tuple[int, int]]) -> set[tuple[int, int]]:
    """Those of these keys and members who may not call any more, expiry aside. Blocking. Raises StoreAway."""
    try:
        admitted = Membership.objects.filter(is_active=True, user__is_active=True, course__is_open=True)
        members = set(admitted.filter(pk__in={member for _, member in callers}).values_list("pk", flat=True))
        valid = ApiKey.objects.filter(revoked_at=None, pk__in={key for key, _ in callers if key < KEYLESS})
        keys = set(valid.values_list("pk", flat=True))
    except DatabaseError as error:
        raise StoreAway from error
    finally:
        connection.close_if_unusable_or_obsolete()
    return {(key, member) for key, member in callers if member not in members or (key < KEYLESS and key not in keys)}


def find_token(text: str, now: datetime) -> Principal | None:
    """The same for an access token, which is verified here. None also for one that names no course.

    Raises InvalidKey for one that is refused now but may be good in a moment, so that nobody remembers that.
    """
    try:
        return _principal_of_token(bearers.find(text, now=now))
    except NotYet:
        raise InvalidKey from None
    except RefusedToken as error:
        logger.debug("Refused a token: %s", error)
        return None
    except DatabaseError as error:
        raise StoreAway from error
    finally:
        connection.close_if_unusable_or_obsolete()


def _principal_of_token(bearer: Bearer) -> Principal | None:
    member, key = bearer.membership, bearer.api_key
    if member is None:
        return None
    return principal_of(
        member,
        key_id=key.pk if key else KEYLESS + member.pk,
        expires_at=bearer.expires_at,
        scopes=bearer.scopes,
    )


def _principal(row: ApiKey) -> Principal:
    return principal_of(row.membership, key_id=row.pk, expires_at=row.expires_at, scopes=row.scopes)


def principal_of(
    member: Membership, *, key_id: int = 0, expires_at: datetime | None = None, scopes: Scopes = ALL
) -> Principal:
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
        scopes=scopes,
        user_id=member.user_id,
    )
