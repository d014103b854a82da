"""Rate limits over all processes: in Redis while it answers in time, in this process while it does not.

Nothing waits for Redis longer than a small budget. After a few misses in a row nothing waits at all: this process
admits its share of each limit by itself, and a loop asks Redis once a second whether it is back. What Redis admits is
recorded here too, so that limits do not start afresh when Redis goes away.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, TypeVar

from prometheus_client import Gauge

from apps.common.breaker import Breaker
from apps.common.outages import OutageNews
from apps.quotas.rate_limits.each import judge_each
from apps.quotas.rate_limits.judge import judge
from apps.quotas.rate_limits.limits import SECOND, WINDOW, Rate, Scope
from apps.quotas.rate_limits.memory import MemoryRateLimits
from apps.quotas.rate_limits.redis import LEASE, Correction, CountsAway, RedisCounts

logger = logging.getLogger(__name__)

TICK = 0.25
RENEW_SECONDS = LEASE / SECOND / 3
T = TypeVar("T")
LOCAL = Gauge(
    "stoa_rate_limits_local",
    "1 while Redis is away and a process limits requests by itself.",
    multiprocess_mode="livemax",
)


class SharedRateLimits:
    """Counts in `counts`, or in `local` with one process's share while `counts` is away.

    `budget` is how many seconds a request waits for `counts`.
    """

    def __init__(self, counts: RedisCounts, local: MemoryRateLimits, *, processes: int, budget: float) -> None:
        self._counts, self._local, self._budget = counts, local, budget
        self._least = self._processes = processes
        self._breaker = Breaker()
        self._said = OutageNews()
        # News for Redis, and since when: requests that ended, and corrections that did not reach it in time.
        self._left: dict[str, tuple[float, Sequence[Scope]]] = {}
        self._untold: dict[str, tuple[float, Correction]] = {}
        self._has_news = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._is_closing = False

    @property
    def is_local(self) -> bool:
        """True while this process counts by itself."""
        return self._breaker.is_open

    async def open(self) -> None:
        """Connect before the first request. If Redis does not answer, the loop retries."""
        LOCAL.set(0)
        if not await self.keep():
            self._note(opened=self._breaker.trip(_now()))
        self._keeper = asyncio.create_task(self._keep_for_ever())

    async def admit(self, scopes: Sequence[Scope], *, id: str, amount: int = 1) -> Rate | None:
        return await self._admit(scopes, id=id, amount=amount, judged=judge) if scopes else None

    async def admit_each(self, scopes: Sequence[Scope], *, id: str) -> Sequence[Rate]:
        return await self._admit(scopes, id=id, amount=1, judged=judge_each) if scopes else ()

    async def _admit(self, scopes: Sequence[Scope], *, id: str, amount: int, judged: Callable[..., T]) -> T:
        ask = partial(self._counts.admit, scopes, id=id, amount=amount)
        try:
            now, counts = await self._ask(ask, late=partial(self._counted_late, scopes, id))
        except CountsAway:
            return self._local.admit_part(scopes, id=id, amount=amount, processes=self._processes, judged=judged)
        rate = judged(scopes, counts, now=now, amount=amount)
        self._local.record(scopes, id=id, amount=amount)
        return rate

    async def correct(self, scopes: Sequence[Scope], *, id: str, amount: int) -> None:
        if not scopes:
            return
        await self._local.correct(scopes, id=id, amount=amount)
        correction = Correction(scopes, id, amount)
        try:
            await self._ask(partial(self._counts.correct, [correction]), late=_forget_failure)
        except CountsAway:
            self._tell_later(correction)

    def release(self, id: str) -> None:
        scopes = self._local.open.get(id, ())
        self._local.release(id)
        self._leave(id, scopes)

    async def keep(self, *, renew: bool = True) -> bool:
        """Tell Redis the news and, with `renew`, renew the leases of open requests.

        False if Redis did not answer. Then the news stays for the next time.
        """
        left, self._left = self._left, {}
        untold, self._untold = self._untold, {}
        leaving = {id: scopes for id, (_, scopes) in left.items()}
        staying = dict(self._local.open) if renew else {}
        try:
            if renew or left:
                self._processes = max(self._least, await self._counts.keep(left=leaving, open=staying))
            await self._counts.correct(correction for _, correction in untold.values())
        except CountsAway:
            self._left, self._untold = left | self._left, untold | self._untold
            self._note(opened=self._breaker.miss(_now()))
            return False
        self._note(closed=self._breaker.hit(_now()))
        return True

    async def close(self) -> None:
        # The keeper ends by itself: before Python 3.12 a cancellation can be lost in the Redis client's `wait_for`.
        self._is_closing = True
        self._has_news.set()
        if self._keeper is not None:
            await self._keeper
        if (self._left or self._untold) and not self.is_local:
            await self.keep(renew=False)
        await self._counts.aclose()

    async def _ask(self, ask: Callable[[], Coroutine[Any, Any, T]], *, late: Callable[[asyncio.Task[T]], None]) -> T:
        """Ask within the budget. Raises CountsAway if Redis is away or too slow; `late` is called once it has ended."""
        if self._breaker.is_open:
            raise CountsAway
        asking = asyncio.create_task(ask())
        try:
            if not await self._in_time(asking):
                raise CountsAway
            answer = asking.result()
        except (CountsAway, asyncio.CancelledError) as error:
            asking.add_done_callback(late)
            if isinstance(error, CountsAway):
                self._note(opened=self._breaker.miss(_now()))
            raise
        self._note(closed=self._breaker.hit(_now()))
        return answer

    def _counted_late(self, scopes: Sequence[Scope], id: str, asking: asyncio.Task[Any]) -> None:
        """Correct what Redis may have counted too late to what counts here: nothing, if it was refused or has ended."""
        _forget_failure(asking)
        self._tell_later(Correction(scopes, id, self._local.amount_of(scopes, id=id)))
        if id not in self._local.open:
            self._leave(id, scopes)

    def _tell_later(self, correction: Correction) -> None:
        self._untold[correction.id] = (_now(), correction)
        self._has_news.set()

    def _leave(self, id: str, scopes: Sequence[Scope]) -> None:
        if any(scope.at_once is not None for scope in scopes):
            self._left[id] = (_now(), scopes)
            self._has_news.set()

    async def _keep_for_ever(self) -> None:
        renewed = _now()
        while not self._is_closing:
            await self._news_or_tick()
            self._log()  # an outage that was not news at first
            try:
                if self._breaker.is_open and not await self._is_back():
                    continue
                renew = self._breaker.is_open or _now() - renewed >= RENEW_SECONDS
                if (renew or self._left or self._untold) and await self.keep(renew=renew) and renew:
                    renewed = _now()
            except Exception:
                logger.exception("Keeping the places of open requests failed; going on")

    async def _news_or_tick(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TICK):
                await self._has_news.wait()
        self._has_news.clear()

    async def _is_back(self) -> bool:
        """Ask Redis, if the breaker allows it: connect first, and then require an answer within the budget."""
        if not self._breaker.allows(_now()):
            return False
        lapsed, passed = _now() - LEASE / SECOND, _now() - WINDOW / SECOND
        self._left = {id: leaving for id, leaving in self._left.items() if leaving[0] > lapsed}
        self._untold = {id: untold for id, untold in self._untold.items() if untold[0] > passed}
        with contextlib.suppress(CountsAway):
            await self._counts.ping()
            asking = asyncio.create_task(self._counts.ping())
            asking.add_done_callback(_forget_failure)
            return await self._in_time(asking) and asking.exception() is None
        return False

    async def _in_time(self, asking: asyncio.Task[Any]) -> bool:
        """True if it ends within the budget. If this process itself was late to look, it gets the budget once more."""
        deadline = _now() + self._budget
        await asyncio.wait({asking}, timeout=self._budget)
        if not asking.done() and _now() > deadline + self._budget / 5:
            await asyncio.wait({asking}, timeout=self._budget)
        return asking.done()

    def _note(self, *, opened: bool = False, closed: bool = False) -> None:
        """Show a change of state, and log it once, not for each request."""
        if opened or closed:
            LOCAL.set(opened)
            self._log()

    def _log(self) -> None:
        if not self._said.is_news(is_away=self.is_local, now=_now()):
            return
        if self.is_local:
            part = f"1/{self._processes} of each limit"
            logger.warning("Redis does not answer in time; each process limits requests by itself, to %s", part)
        else:
            logger.warning("Redis answers again; all processes share the limits of requests")


def _now() -> float:
    return asyncio.get_running_loop().time()


def _forget_failure(asking: asyncio.Task[Any]) -> None:
    """Retrieve the exception, or asyncio would log it."""
    if not asking.cancelled():
        asking.exception()
