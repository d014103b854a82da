"""Rate limits under test: their clock stands still until told, and requests have ids by themselves."""

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from apps.common.errors import RateLimited
from apps.quotas.rate_limits.limits import SECOND, RateLimits, Scope, Unit

_ids = itertools.count(1)


def fresh_id() -> int:
    """An account that nobody has asked for yet."""
    return next(_ids)


def student(
    per_minute: int | None = None, at_once: int | None = None, *, unit: Unit = "requests", id: int | None = None
) -> Scope:
    return Scope("student", id or fresh_id(), unit, per_minute, at_once)


def course(
    per_minute: int | None = None, at_once: int | None = None, *, unit: Unit = "requests", id: int | None = None
) -> Scope:
    return Scope("course", id or fresh_id(), unit, per_minute, at_once)


def burst(most: int, *, id: int | str | None = None) -> Scope:
    return Scope("key", id or f"burst-{fresh_id()}", "requests", most, window=SECOND, policy="burst")


class Clock:
    """Microseconds."""

    def __init__(self) -> None:
        self.now = 1_700_000_000_000_000

    def __call__(self) -> int:
        return self.now

    def advance(self, *, milliseconds: float) -> None:
        self.now += round(milliseconds * 1000)


async def nothing() -> None:
    pass


@dataclass(kw_only=True)
class Limiter:
    """`sync` waits until everybody knows who left, and renews what is open. `entries`: how many a scope's log has."""

    limits: RateLimits
    entries: Callable[[Scope], Awaitable[int]]
    clock: Clock = field(default_factory=Clock)
    sync: Callable[[], Awaitable[object]] = nothing

    async def ask(self, *scopes: Scope, amount: int = 1) -> str | None:
        """Begin a request or a call. Its id, or None if it was refused."""
        id = f"request-{fresh_id()}"
        try:
            await self.limits.admit(scopes, id=id, amount=amount)
        except RateLimited:
            return None
        return id

    async def ask_often(self, times: int, *scopes: Scope, amount: int = 1) -> int:
        """How many of so many were admitted."""
        return sum([await self.ask(*scopes, amount=amount) is not None for _ in range(times)])

    async def refusal(self, *scopes: Scope, amount: int = 1) -> RateLimited:
        try:
            await self.limits.admit(scopes, id=f"request-{fresh_id()}", amount=amount)
        except RateLimited as refused:
            return refused
        raise AssertionError("It was admitted.")

    async def end(self, id: str | None, *scopes: Scope, amount: int) -> None:
        """End a call that cost so much."""
        assert id is not None
        await self.limits.correct(scopes, id=id, amount=amount)

    async def leave(self, *ids: str | None) -> None:
        for id in ids:
            assert id is not None
            self.limits.release(id)
        await self.sync()

    async def wait(self, *, milliseconds: float) -> None:
        """Let time pass as it passes for a process that is alive."""
        while milliseconds > 0:
            step = min(milliseconds, 10_000)
            self.clock.advance(milliseconds=step)
            await self.sync()
            milliseconds -= step

    async def used(self, scope: Scope) -> int:
        """What a scope has used, from what is left of it."""
        rate = await self.limits.admit((scope,), id=(id := f"look-{fresh_id()}"), amount=0)
        assert rate is not None
        await self.end(id, scope, amount=0)
        return rate.limit - rate.remaining


def told(refused: RateLimited) -> int:
    """The milliseconds that a refusal asks to wait."""
    return int(refused.headers["retry-after-ms"])
