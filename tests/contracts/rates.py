"""Rate limits under test: their clock stands still until told, and requests have ids by themselves."""

import itertools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from apps.common.errors import RateLimited, TokensLimited
from apps.quotas.rate_limits.opening import Limits
from apps.quotas.rate_limits.requests import Scope
from apps.quotas.rate_limits.tokens import TokenScope

_ids = itertools.count(1)


def fresh_id() -> int:
    """An account that nobody has asked for yet."""
    return next(_ids)


def student(per_minute: int | None = None, at_once: int | None = None, *, id: int | None = None) -> Scope:
    return Scope("student", id or fresh_id(), per_minute, at_once)


def course(per_minute: int | None = None, at_once: int | None = None, *, id: int | None = None) -> Scope:
    return Scope("course", id or fresh_id(), per_minute, at_once)


def tokens_of_student(per_minute: int, *, id: int | None = None) -> TokenScope:
    return TokenScope("student", id or fresh_id(), per_minute)


def tokens_of_course(per_minute: int, *, id: int | None = None) -> TokenScope:
    return TokenScope("course", id or fresh_id(), per_minute)


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
    """`sync` waits until everybody knows who left and what calls cost, and renews what is open.

    `entries` says how many are kept of a scope's tokens.
    """

    limits: Limits
    entries: Callable[[TokenScope], Awaitable[int]]
    clock: Clock = field(default_factory=Clock)
    sync: Callable[[], Awaitable[object]] = nothing

    async def ask(self, *scopes: Scope) -> str | None:
        """Begin a request. Its id, or None if it was refused."""
        id = f"request-{fresh_id()}"
        try:
            await self.limits.admit(scopes, id=id)
        except RateLimited:
            return None
        return id

    async def ask_often(self, times: int, *scopes: Scope) -> int:
        """How many of so many requests were admitted."""
        return sum([await self.ask(*scopes) is not None for _ in range(times)])

    async def refusal(self, *scopes: Scope) -> RateLimited:
        try:
            await self.limits.admit(scopes, id=f"request-{fresh_id()}")
        except RateLimited as refused:
            return refused
        raise AssertionError("It was admitted.")

    async def take(self, amount: int, *scopes: TokenScope) -> str | None:
        """Take tokens. The call's id, or None if it was refused."""
        id = f"call-{fresh_id()}"
        try:
            await self.limits.take(scopes, id=id, amount=amount)
        except TokensLimited:
            return None
        return id

    async def token_refusal(self, amount: int, *scopes: TokenScope) -> TokensLimited:
        try:
            await self.limits.take(scopes, id=f"call-{fresh_id()}", amount=amount)
        except TokensLimited as refused:
            return refused
        raise AssertionError("It was admitted.")

    async def end(self, id: str | None, amount: int, *scopes: TokenScope) -> None:
        assert id is not None
        self.limits.correct(scopes, id=id, amount=amount)
        await self.sync()

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


def told(refused: RateLimited) -> int:
    """The milliseconds that a refusal asks to wait."""
    return int(refused.headers["retry-after-ms"])


def admitted_in_window(instants: Sequence[int], now: int) -> int:
    """The rule itself: those of the 60 seconds that end now."""
    return sum(now - 60_000_000 < instant <= now for instant in instants)
