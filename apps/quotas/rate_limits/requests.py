"""Request limits: what is counted, and what the counts mean. Counting is done in `rates_memory` or `rates_redis`.
Tokens are counted beside them: `rates_tokens`.

A limit of N a minute admits N requests in any 60 seconds, counted from a log of the instants at which requests were
admitted. The log is exact, and so is the wait that follows from it. The usual estimate from two neighbouring minutes
needs two numbers only, but admits 59 where 60 are allowed, and one in two minutes where one a minute is. A log never
holds more than its limit, nor anything older than a minute, so what was admitted in the last minute bounds its memory.

Instants and spans are whole microseconds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from apps.common.errors import FixedBy, RateLimited

MILLISECOND = 1000
SECOND = 1000 * MILLISECOND
WINDOW = 60 * SECOND
AT_ONCE_WAIT = SECOND  # nobody knows when an answer will end: a hint


class Scope(NamedTuple):
    """Somebody whose requests are counted, and the limits: requests in any minute, and at once. None: no limit."""

    kind: Literal["key", "student", "course"]
    id: int
    per_minute: int | None
    at_once: int | None

    @property
    def is_limited(self) -> bool:
        return self.per_minute is not None or self.at_once is not None

    def shared_by(self, processes: int) -> "Scope":
        """The part of the limits that falls to one process of so many: rounded up, so at least one."""
        return self._replace(per_minute=_part(self.per_minute, processes), at_once=_part(self.at_once, processes))


class Count(NamedTuple):
    """How a scope stands before a request: those of the last minute, and those that are open.

    `newest` is the instant of the last one. If there are as many as allowed, one more fits when the one at `due` leaves
    the window.
    """

    used: int
    due: int
    newest: int
    open: int


@dataclass(frozen=True, slots=True)
class Rate:
    """What a caller learns of the limit with the least left: what is left of it, and when all of it will be back."""

    limit: int
    remaining: int
    reset: int

    def headers(self) -> dict[str, str]:
        return {
            "x-ratelimit-limit-requests": str(self.limit),
            "x-ratelimit-remaining-requests": str(self.remaining),
            "x-ratelimit-reset-requests": duration(self.reset),
        }


class RateLimits(Protocol):
    """Counts requests. All scopes of a request admit it, or it counts for none of them."""

    async def admit(self, scopes: Sequence[Scope], *, id: str) -> Rate | None:
        """Count a request and hold its place among the open ones, under an id that is used once.

        The rate is None if nothing limits requests a minute. Raises RateLimited; whoever waits exactly as long as
        that says is admitted, unless others came first.
        """
        ...

    def release(self, id: str) -> None:
        """Give the place back. Returns at once and never fails; once more, or for a stranger, it does nothing."""
        ...

    async def close(self) -> None: ...


def judge(scopes: Sequence[Scope], counts: Sequence[Count], *, now: int) -> Rate | None:
    """What these counts mean for one more request: its rate, once it is counted. Raises RateLimited."""
    for scope, count in zip(scopes, counts, strict=True):
        if _lacks_room(scope, count):
            raise _refusal(scopes, counts, now)
    left = [(limit - count.used, limit) for (_, _, limit, _), count in zip(scopes, counts, strict=True) if limit]
    if not left:
        return None
    least, limit = min(left)
    return Rate(limit, least - 1, WINDOW)


def duration(span: int) -> str:
    """As OpenAI writes it: `12ms`, `59.5s`, `6m0s`, `26h0m0s`. Rounded up to milliseconds."""
    milliseconds = -(-span // MILLISECOND)
    if milliseconds < 1000:
        return f"{milliseconds}ms" if milliseconds else "0s"
    minutes, rest = divmod(milliseconds, 60_000)
    seconds = f"{rest / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    if not minutes:
        return seconds
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{seconds}" if hours else f"{minutes}m{seconds}"


def _part(limit: int | None, processes: int) -> int | None:
    return None if limit is None else -(-limit // processes)


def _lacks_room(scope: Scope, count: Count) -> bool:
    return (scope.per_minute is not None and count.used >= scope.per_minute) or (
        scope.at_once is not None and count.open >= scope.at_once
    )


def _tightest(rates: Iterator[Rate]) -> Rate | None:
    return min(rates, key=lambda rate: (rate.remaining, -rate.reset), default=None)


@dataclass(frozen=True, slots=True)
class _Refused:
    """One limit that refuses: for how long, and what to say."""

    wait: int
    sentence: str
    scope: Scope
    limit: int


def _refusal(scopes: Sequence[Scope], counts: Sequence[Count], now: int) -> RateLimited:
    """The refusal, in the words of the limit that makes the caller wait longest."""
    standing = list(zip(scopes, counts, strict=True))
    longest = max((one for pair in standing for one in _refusals(*pair, now)), key=lambda one: one.wait)
    tightest = _tightest(
        Rate(scope.per_minute, max(0, scope.per_minute - count.used), max(0, count.newest + WINDOW - now))
        for scope, count in standing
        if scope.per_minute is not None
    )
    return RateLimited(
        longest.sentence,
        wait=-(-longest.wait // MILLISECOND) / 1000,
        fixed_by=_FIXED_BY[longest.scope.kind],
        headers=tightest.headers() if tightest else {},
        details={"scope": longest.scope.kind, "limit": longest.limit},
    )


def _refusals(scope: Scope, count: Count, now: int) -> Iterator[_Refused]:
    if scope.per_minute is not None and count.used >= scope.per_minute:
        wait = count.due + WINDOW - now
        seconds = _number(-(-wait // SECOND), "second")
        sentence = _A_MINUTE[scope.kind].format(limit=_number(scope.per_minute, "request"), wait=seconds)
        yield _Refused(wait, sentence, scope, scope.per_minute)
    if scope.at_once is not None and count.open >= scope.at_once:
        sentence = _AT_ONCE[scope.kind].format(open=_number(count.open, "request"), limit=f"{scope.at_once:,}")
        yield _Refused(AT_ONCE_WAIT, sentence, scope, scope.at_once)


def _number(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


_A_MINUTE = {
    "key": "This API key may make {limit} a minute. Wait {wait} and repeat.",
    "student": "You may make {limit} a minute in this course. Wait {wait} and repeat.",
    "course": "Your course may make {limit} a minute, all students together, and they have been made. Wait {wait} and "
    "repeat; if this happens often, tell your instructor.",
}
_AT_ONCE = {
    "key": "This API key has {open} open and may have {limit} at once. Wait for one to finish.",
    "student": "You have {open} open and may have {limit} at once in this course. Wait for one to finish.",
    "course": "Your course has {open} open, all students together, and may have {limit} at once. Wait a moment and "
    "repeat; if this happens often, tell your instructor.",
}
_FIXED_BY: dict[str, FixedBy] = {"key": "you", "student": "you", "course": "instructor"}
