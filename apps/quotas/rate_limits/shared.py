"""Limits over all processes: in Redis while it answers in time, in this process while it does not.

A request waits for Redis within a small budget only, and so do its tokens. After a few misses in a row nobody waits any
more: this process admits its part of each limit by itself, and a loop of its own asks Redis once a second whether it is
back. What Redis admits is recorded here too, so that a limit does not start anew when Redis goes.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Coroutine, Sequence
from functools import partial
from typing import Any, TypeVar

from prometheus_client import Gauge

from apps.common.breaker import Breaker
from apps.common.errors import TokensLimited
from apps.quotas.rate_limits.memory import MemoryRateLimits
from apps.quotas.rate_limits.redis import LEASE, SOCKET_SECONDS, CountsAway, RedisCounts
from apps.quotas.rate_limits.requests import SECOND, WINDOW, Rate, Scope, judge
from apps.quotas.rate_limits.tokens import TokenRate, TokenScope, check_size, judge_tokens

logger = logging.getLogger(__name__)

TICK = 0.25
RENEW_SECONDS = LEASE / SECOND / 3
T = TypeVar("T")
LOCAL = Gauge("stoa_rate_limits_local", "1 while Redis is away and each process limits requests by itself.")


async def open_shared_rate_limits(*, redis_url: str, budget: float, processes: int) -> "SharedRateLimits":
    """Those of this process; it is one of so many."""
    counts = RedisCounts(redis_url, patience=max(budget, SOCKET_SECONDS))
    limits = SharedRateLimits(counts, MemoryRateLimits(), processes=processes, budget=budget)
    await limits.open()
    return limits


class SharedRateLimits:
    """Counts in `counts`, and in `local` as one of so many processes while `counts` is away.

    `budget` is how many seconds a request waits for `counts`.
    """

    def __init__(self, counts: RedisCounts, local: MemoryRateLimits, *, processes: int, budget: float) -> None:
        self._counts, self._local, self._budget = counts, local, budget
        self._least = self._processes = processes
        self._breaker = Breaker()
        self._left: dict[str, tuple[float, Sequence[Scope]]] = {}
        self._costs: dict[str, tuple[float, Sequence[TokenScope], int]] = {}
        self._telling: Collection[str] = ()
        self._are_costs_told = asyncio.Event()
        self._are_costs_told.set()
        self._somebody_left = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._is_closing = False

    @property
    def is_local(self) -> bool:
        """Whether this process counts by itself."""
        return self._breaker.is_open

    async def open(self) -> None:
        """Connect, so that no request has to; a Redis that does not answer now is asked again later."""
        LOCAL.set(0)
        if not await self.keep():
            self._note(opened=self._breaker.trip(_now()))
        self._keeper = asyncio.create_task(self._keep_for_ever())

    async def admit(self, scopes: Sequence[Scope], *, id: str) -> Rate | None:
        if not scopes:
            return None
        ask, late = partial(self._counts.admit, scopes, id=id), partial(self._came_late, id, scopes)
        try:
            now, counts = await self._ask(ask, late=late)
        except CountsAway:
            return self._local.admit_part(scopes, id=id, processes=self._processes)
        rate = judge(scopes, counts, now=now)
        self._local.record(scopes, id=id)
        return rate

    def release(self, id: str) -> None:
        scopes = self._local.open.get(id, ())
        self._local.release(id)
        self._leave(id, scopes)

    async def take(self, scopes: Sequence[TokenScope], *, id: str, amount: int) -> TokenRate | None:
        if not scopes:
            return None
        check_size(scopes, amount=amount)
        if not self.is_local and (
            id in self._costs or id in self._telling
        ):  # it took and gave back before: that comes first
            await self._until_costs_are_told()
        try:
            rate = await self._take_together(scopes, id, amount)
        except CountsAway:
            return self._local.take_part(scopes, id=id, amount=amount, processes=self._processes)
        self._local.record_tokens(scopes, id=id, amount=amount)
        return rate

    def correct(self, scopes: Sequence[TokenScope], *, id: str, amount: int) -> None:
        if scopes:
            self._local.correct(scopes, id=id, amount=amount)
            self._tell_cost(id, scopes, amount)

    async def keep(self, *, renew: bool = True) -> bool:
        """Tell Redis who left, what calls cost and, to renew, who is still here. False if it did not answer: then
        it is told next time."""
        left, self._left = self._left, {}
        costs, self._costs = self._costs, {}
        self._telling = costs
        leaving = {id: scopes for id, (_, scopes) in left.items()}
        staying = dict(self._local.open) if renew else {}
        try:
            if renew or left:
                self._processes = max(self._least, await self._counts.keep(left=leaving, open=staying))
            await self._counts.correct({id: (scopes, amount) for id, (_, scopes, amount) in costs.items()})
        except CountsAway:
            self._left, self._costs = left | self._left, costs | self._costs
            self._note(opened=self._breaker.miss(_now()))
            return False
        finally:
            self._telling = ()
        if not self._costs:
            self._are_costs_told.set()
        self._note(closed=self._breaker.hit())
        return True

    async def close(self) -> None:
        # The keeper ends by itself: before Python 3.12 a cancellation can be lost in the Redis client's `wait_for`.
        self._is_closing = True
        self._somebody_left.set()
        if self._keeper is not None:
            await self._keeper
        if (self._left or self._costs) and not self.is_local:
            await self.keep(renew=False)
        await self._counts.aclose()

    async def _take_together(self, scopes: Sequence[TokenScope], id: str, amount: int) -> TokenRate:
        """Raises CountsAway and TokensLimited."""
        ask, late = partial(self._counts.take, scopes, id=id, amount=amount), partial(self._took_late, id, scopes)
        knows_all = self._are_costs_told.is_set()
        now, counts = await self._ask(ask, late=late)
        try:
            return judge_tokens(scopes, counts, amount=amount, now=now)
        except TokensLimited:
            if knows_all:
                raise
        # An answer has just ended and left room of which Redis did not know yet: its client may ask again at once.
        await self._until_costs_are_told()
        now, counts = await self._ask(ask, late=late)
        return judge_tokens(scopes, counts, amount=amount, now=now)

    async def _until_costs_are_told(self) -> None:
        """Or the budget is spent."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._budget):
                await self._are_costs_told.wait()

    async def _ask(self, ask: Callable[[], Coroutine[Any, Any, T]], *, late: Callable[[asyncio.Task[T]], None]) -> T:
        """Raises CountsAway if Redis is away or too slow. It may count all the same, later: `late` is called then."""
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
        self._note(closed=self._breaker.hit())
        return answer

    def _came_late(self, id: str, scopes: Sequence[Scope], asking: asyncio.Task[Any]) -> None:
        _forget_failure(asking)
        if id not in self._local.open:
            self._leave(id, scopes)

    def _took_late(self, id: str, scopes: Sequence[TokenScope], asking: asyncio.Task[Any]) -> None:
        """What it counts here by now holds: nothing, if the call was refused or has left."""
        _forget_failure(asking)
        self._tell_cost(id, scopes, self._local.taken(scopes[0], id=id))

    def _tell_cost(self, id: str, scopes: Sequence[TokenScope], amount: int) -> None:
        self._costs[id] = (_now(), scopes, amount)
        self._are_costs_told.clear()
        self._somebody_left.set()

    def _leave(self, id: str, scopes: Sequence[Scope]) -> None:
        if any(scope.at_once is not None for scope in scopes):
            self._left[id] = (_now(), scopes)
            self._somebody_left.set()

    async def _keep_for_ever(self) -> None:
        renewed = _now()
        while not self._is_closing:
            await self._somebody_left_or_tick()
            try:
                if self._breaker.is_open and not await self._is_back():
                    continue
                renew = self._breaker.is_open or _now() - renewed >= RENEW_SECONDS
                if (renew or self._left or self._costs) and await self.keep(renew=renew) and renew:
                    renewed = _now()
            except Exception:
                logger.exception("Keeping the places of open requests failed; going on")

    async def _somebody_left_or_tick(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TICK):
                await self._somebody_left.wait()
        self._somebody_left.clear()

    async def _is_back(self) -> bool:
        """Ask, if the breaker lets us: connect first, and then want an answer within the budget."""
        if not self._breaker.allows(_now()):
            return False
        lapsed, passed = _now() - LEASE / SECOND, _now() - WINDOW / SECOND
        self._left = {id: leaving for id, leaving in self._left.items() if leaving[0] > lapsed}
        self._costs = {id: cost for id, cost in self._costs.items() if cost[0] > passed}
        with contextlib.suppress(CountsAway):
            await self._counts.ping()
            asking = asyncio.create_task(self._counts.ping())
            asking.add_done_callback(_forget_failure)
            return await self._in_time(asking) and asking.exception() is None
        return False

    async def _in_time(self, asking: asyncio.Task[Any]) -> bool:
        """Whether it has ended within the budget. A process that was itself late to look looks once more: what counts
        is how long Redis took."""
        deadline = _now() + self._budget
        await asyncio.wait({asking}, timeout=self._budget)
        if not asking.done() and _now() > deadline + self._budget / 5:
            await asyncio.wait({asking}, timeout=self._budget)
        return asking.done()

    def _note(self, *, opened: bool = False, closed: bool = False) -> None:
        """Say it once when it changes, not for each request."""
        if opened:
            LOCAL.set(1)
            part = f"1/{self._processes} of each limit"
            logger.warning("Redis does not answer in time; each process limits requests by itself, to %s", part)
        elif closed:
            LOCAL.set(0)
            logger.warning("Redis answers again; all processes share the limits of requests")


def _now() -> float:
    return asyncio.get_running_loop().time()


def _forget_failure(asking: asyncio.Task[Any]) -> None:
    """Nobody waits for it any more."""
    if not asking.cancelled():
        asking.exception()
