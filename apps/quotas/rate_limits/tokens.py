"""Limits of tokens a minute: what is counted, and what the counts mean. Counted like requests, in the same places.

Tokens are weighted, as the ledger counts them. A call enters a log with what it may cost, at the instant at which it is
about to be reserved; once it ends, the entry is corrected to what it was charged and keeps its instant. So a limit of N
lets no more than N tokens start in any 60 seconds, and an estimate that was too high gives room back at once. A true
amount above its estimate counts whole, and the next calls wait for it.

A log is bounded. From MANY entries on, a call that ends joins those that began in the same tenth of a second, as one
entry at the latest instant of them: they all count until the last has left, which errs on the strict side. From MOST
entries on, a call joins them as it begins and is not corrected any more.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from apps.common.errors import FixedBy, TokensLimited
from apps.quotas.rate_limits.requests import MILLISECOND, SECOND, WINDOW, duration

SLICE = 100 * MILLISECOND
MANY, MOST = 1_000, 4_000  # with the slices of a minute on top, no log has more than 4,600 entries


class TokenScope(NamedTuple):
    """Somebody whose tokens are counted, and how many may begin in any minute."""

    kind: Literal["key", "student", "course"]
    id: int
    per_minute: int

    def part_of(self, processes: int) -> int:
        """What falls to one process of so many: rounded up."""
        return -(-self.per_minute // processes)


class TokenCount(NamedTuple):
    """How a scope stands before a call: the tokens of the last minute, and the instant of the newest.

    If the call does not fit, it will once the entry at `due` leaves the window.
    """

    used: int
    due: int
    newest: int


@dataclass(frozen=True, slots=True)
class TokenRate:
    """What a caller learns of the limit with the least left, under the names that OpenAI's clients know."""

    limit: int
    remaining: int
    reset: int

    def headers(self) -> dict[str, str]:
        return {
            "x-ratelimit-limit-tokens": str(self.limit),
            "x-ratelimit-remaining-tokens": str(self.remaining),
            "x-ratelimit-reset-tokens": duration(self.reset),
        }


class TokenLimits(Protocol):
    """Counts tokens. All scopes of a call take its amount, or none of them does."""

    async def take(self, scopes: Sequence[TokenScope], *, id: str, amount: int) -> TokenRate | None:
        """Count what a call may cost, under its id; taken again under the same one, it counts once.

        The rate is None if nothing limits tokens. Raises TokensLimited; whoever waits exactly as long as that says
        is admitted, unless others came first or cost more than they seemed to.
        """
        ...

    def correct(self, scopes: Sequence[TokenScope], *, id: str, amount: int) -> None:
        """Replace what was taken by the true amount, at the same instant; nothing is left of a call that was free.

        Returns at once and never fails. Repeated, late or for a stranger, it changes nothing.
        """
        ...


def check_size(scopes: Sequence[TokenScope], *, amount: int) -> None:
    """Raises TokensLimited for a call that is larger than a whole limit, since no wait would help it."""
    scope = min(scopes, key=lambda scope: scope.per_minute)
    if amount > scope.per_minute:
        sentence = (
            f"This request may take {amount:,} tokens, more than the {scope.per_minute:,} that {_WHO[scope.kind]} may "
            "take in a whole minute. Shorten it, or ask for a shorter answer (max_tokens); waiting does not help."
        )
        raise _refusal(sentence, None, scope, amount, fixed_by="you")


def judge_tokens(
    scopes: Sequence[TokenScope], counts: Sequence[TokenCount], *, amount: int, now: int, processes: int = 1
) -> TokenRate:
    """What these counts mean for a call of this size: its rate, once it is counted. Raises TokensLimited.

    One process of several has its part of each limit. A call that is larger than a part fits when the part is empty,
    for each process would refuse it otherwise, however long it waits.
    """
    standing = list(zip(scopes, counts, strict=True))
    refused = [pair for pair in standing if pair[1].used > room_before(pair[0], amount=amount, processes=processes)]
    if refused:
        raise _too_fast(refused, standing, amount, now, processes)
    left = [(max(0, scope.part_of(processes) - count.used - amount), scope) for scope, count in standing]
    least, scope = min(left)
    return TokenRate(scope.per_minute, least, WINDOW)


def room_before(scope: TokenScope, *, amount: int, processes: int = 1) -> int:
    """The most that may have been used before a call of this size, for it to fit."""
    return max(0, scope.part_of(processes) - amount)


def _too_fast(
    refused: Sequence[tuple[TokenScope, TokenCount]],
    standing: Sequence[tuple[TokenScope, TokenCount]],
    amount: int,
    now: int,
    processes: int,
) -> TokensLimited:
    """The refusal, in the words of the limit that makes the caller wait longest; its rate is the tightest's."""
    scope, count = max(refused, key=lambda pair: pair[1].due)
    wait = count.due + WINDOW - now
    seconds = -(-wait // SECOND)
    sentence = _A_MINUTE[scope.kind].format(
        limit=f"{scope.per_minute:,}",
        used=f"{count.used:,}",
        amount=f"{amount:,}",
        wait=f"{seconds:,} second" if seconds == 1 else f"{seconds:,} seconds",
    )
    error = _refusal(sentence, -(-wait // MILLISECOND) / 1000, scope, amount, fixed_by=_FIXED_BY[scope.kind])
    error.headers.update(min(_rates(standing, now, processes), key=lambda rate: rate.remaining).headers())
    return error


def _rates(standing: Sequence[tuple[TokenScope, TokenCount]], now: int, processes: int) -> Iterator[TokenRate]:
    for scope, count in standing:
        remaining = max(0, scope.part_of(processes) - count.used)
        yield TokenRate(scope.per_minute, remaining, max(0, count.newest + WINDOW - now))


def _refusal(sentence: str, wait: float | None, scope: TokenScope, amount: int, *, fixed_by: FixedBy) -> TokensLimited:
    details = {"scope": scope.kind, "limit": scope.per_minute, "needed": amount}
    return TokensLimited(sentence, wait=wait, fixed_by=fixed_by, details=details)


_WHO = {"key": "this API key", "student": "you", "course": "your whole course"}
_A_MINUTE = {
    "key": "This API key may take {limit} tokens a minute. {used} are taken, and this request may take {amount}. "
    "Wait {wait} and repeat, or ask for a shorter answer (max_tokens).",
    "student": "You may take {limit} tokens a minute in this course. {used} are taken, and this request may take "
    "{amount}. Wait {wait} and repeat, or ask for a shorter answer (max_tokens).",
    "course": "Your course may take {limit} tokens a minute, all students together. {used} are taken, and this request "
    "may take {amount}. Wait {wait} and repeat; if this happens often, tell your instructor.",
}
_FIXED_BY: dict[str, FixedBy] = {"key": "you", "student": "you", "course": "instructor"}
