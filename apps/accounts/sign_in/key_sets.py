"""What issuers published, kept in this process for a while. For event loops and for threads alike.

A set is good for ten minutes. After that it is fetched again; while that fails, the old one serves for an hour.
A key id that nobody knows makes it look again, once a minute at most, so that made-up ids cannot make it hammer.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from apps.accounts.sign_in import discovery
from apps.accounts.sign_in.discovery import IssuerAway, IssuerTrouble, Published, SigningKey, Source

FRESH = 600.0  # seconds
STALE = 3600.0  # seconds beyond which old keys no longer serve
LOOK_AGAIN = 60.0  # seconds between two fetches because of key ids that are unknown
BACK_OFF = 10.0  # seconds after a failure in which nobody tries again
NEVER_ANSWERED = "The issuer has not answered yet."


class UnknownKey(Exception):
    """The issuer has no key of this id."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one issuer. Instants are seconds on the monotonic clock."""

    published: Published | None = None
    fetched_at: float = 0.0
    tried_at: float = float("-inf")
    trouble: IssuerTrouble | None = None

    def serves(self, now: float) -> bool:
        return self.published is not None and now - self.fetched_at < STALE

    def is_due(self, now: float) -> bool:
        if self.trouble is not None and now - self.tried_at < BACK_OFF:
            return False
        return self.published is None or now - self.fetched_at >= FRESH


Fetch = Callable[[Source], Coroutine[Any, Any, Published]]


class KeySets:
    """However many ask at once, an issuer is fetched once, in a thread of its own."""

    def __init__(self, *, fetch: Fetch = discovery.fetch, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch, self._clock = fetch, clock
        self._lock = threading.Lock()
        self._known: dict[Source, Known] = {}
        self._running: dict[Source, Future[Known]] = {}

    async def signing_key(self, source: Source, *, kid: str) -> SigningKey:
        """The issuer's key of this id. Raises UnknownKey, or IssuerTrouble if there is no set that serves."""
        known = await self._up_to_date(source)
        if kid not in _keys(known) and self._may_look_again(known):
            known = await asyncio.wrap_future(self._refetched(source))
        if kid not in _keys(known):
            raise UnknownKey(kid)
        return _keys(known)[kid]

    async def published(self, source: Source) -> Published:
        """What the issuer says of itself. Raises IssuerTrouble."""
        known = await self._up_to_date(source)
        if known.published is None:
            raise IssuerAway(NEVER_ANSWERED)
        return known.published

    def forget(self, source: Source) -> None:
        with self._lock:
            self._known.pop(source, None)

    async def _up_to_date(self, source: Source) -> Known:
        known = self._known.get(source, Known())
        if known.is_due(self._clock()):
            known = await asyncio.wrap_future(self._refetched(source))
        if not known.serves(self._clock()):
            raise known.trouble or IssuerAway(NEVER_ANSWERED)
        return known

    def _may_look_again(self, known: Known) -> bool:
        return self._clock() - known.tried_at >= LOOK_AGAIN

    def _refetched(self, source: Source) -> "Future[Known]":
        """The fetch that is running, or a new one. Whoever stops waiting for it does not stop it."""
        with self._lock:
            running = self._running.get(source)
            if running is None:
                running = self._running[source] = Future()
                running.set_running_or_notify_cancel()  # nobody who waits can cancel it for the others
                threading.Thread(target=self._run, args=(source, running), name="issuer", daemon=True).start()
        return running

    def _run(self, source: Source, running: "Future[Known]") -> None:
        before = self._known.get(source, Known())
        try:
            known = self._tried(source, before)
        except BaseException as error:
            with self._lock:
                self._running.pop(source, None)
            running.set_exception(error)
            return
        with self._lock:
            self._known[source] = known
            self._running.pop(source, None)
        running.set_result(known)

    def _tried(self, source: Source, before: Known) -> Known:
        try:
            published = discovery.run(self._fetch(source))
        except IssuerTrouble as trouble:
            return Known(before.published, before.fetched_at, self._clock(), trouble)
        now = self._clock()
        return Known(published, now, now)


def _keys(known: Known) -> Mapping[str, SigningKey]:
    return known.published.keys if known.published is not None else {}


KEY_SETS = KeySets()


async def signing_key(source: Source, *, kid: str) -> SigningKey:
    """The key of an issuer with this id, for whoever checks a token of it.

    `SigningKey.algorithms` are the only ones that may be accepted with the key. Raises UnknownKey, or IssuerTrouble.
    """
    return await KEY_SETS.signing_key(source, kid=kid)
