"""Judges one more request or call by the counts: its rate, or a refusal that says how long to wait."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from apps.common.errors import FixedBy, RateLimited, TokensLimited
from apps.quotas.rate_limits.limits import MILLISECOND, SECOND, WINDOW, Count, Kind, Rate, Scope, Unit

AT_ONCE_WAIT = SECOND  # a hint: nobody knows when an open request will end


def judge(scopes: Sequence[Scope], counts: Sequence[Count], *, now: int, amount: int = 1) -> Rate | None:
    """The rate after counting the amount; None if no scope has a limit per minute.

    Raises RateLimited, or TokensLimited where tokens are counted.
    """
    if amount > 1:
        _check_size(scopes, amount)
    left = []
    for scope, count in zip(scopes, counts, strict=True):
        if _is_full(scope, count, amount) or _is_busy(scope, count):
            raise _too_fast(scopes, counts, amount, now)
        if scope.per_minute is not None:
            left.append((scope.per_minute - count.used - amount, scope.whole or scope.per_minute))
    if not left:
        return None
    remaining, limit = min(left)
    return Rate(scopes[0].unit, limit, max(0, remaining), WINDOW)


def _is_full(scope: Scope, count: Count, amount: int) -> bool:
    """A call larger than a process's share fits if nothing is used; otherwise every process would always refuse it."""
    return scope.per_minute is not None and 0 < count.used > scope.per_minute - amount


def _is_busy(scope: Scope, count: Count) -> bool:
    return scope.at_once is not None and count.open >= scope.at_once


@dataclass(frozen=True, slots=True)
class _Exceeded:
    """One limit that refuses: its sentence, and the wait in microseconds. None means that waiting does not help."""

    scope: Scope
    limit: int | None
    sentence: str
    wait: int | None


def _check_size(scopes: Sequence[Scope], amount: int) -> None:
    """Refuse a call that is larger than a whole limit."""
    scope = min(scopes, key=lambda scope: scope.told_limit)
    if amount > scope.told_limit:
        sentence = _TOO_LARGE.format(amount=f"{amount:,}", limit=f"{scope.told_limit:,}", who=_WHO[scope.kind])
        raise _error(_Exceeded(scope, scope.told_limit, sentence, None), amount, fixed_by="you")


def _too_fast(scopes: Sequence[Scope], counts: Sequence[Count], amount: int, now: int) -> RateLimited:
    """An error with the sentence of the limit with the longest wait, and the rate of the one with the least left."""
    standing = list(zip(scopes, counts, strict=True))
    refused = [one for pair in standing for one in _refused(*pair, amount, now)]
    longest = max(refused, key=lambda one: one.wait or 0)
    rates = [
        Rate(scope.unit, scope.told_limit, max(0, scope.per_minute - count.used), max(0, count.newest + WINDOW - now))
        for scope, count in standing
        if scope.per_minute is not None
    ]
    tightest = min(rates, key=lambda rate: (rate.remaining, -rate.reset), default=None)
    return _error(longest, amount, fixed_by=_FIXED_BY[longest.scope.kind], rate=tightest)


def _refused(scope: Scope, count: Count, amount: int, now: int) -> Iterator[_Exceeded]:
    if _is_full(scope, count, amount):
        wait = count.due + WINDOW - now
        sentence = _A_MINUTE[scope.unit][scope.kind].format(
            limit=_number(scope.told_limit, scope.unit),
            used=f"{count.used:,}",
            amount=f"{amount:,}",
            wait=_number(-(-wait // SECOND), "seconds"),
        )
        yield _Exceeded(scope, scope.told_limit, sentence, wait)
    if _is_busy(scope, count):
        sentence = _AT_ONCE[scope.kind].format(open=_number(count.open, "requests"), limit=f"{scope.at_once:,}")
        yield _Exceeded(scope, scope.at_once, sentence, AT_ONCE_WAIT)


def _error(refused: _Exceeded, amount: int, *, fixed_by: FixedBy, rate: Rate | None = None) -> RateLimited:
    details = {"scope": refused.scope.kind, "limit": refused.limit}
    error = RateLimited
    if refused.scope.unit == "tokens":
        details, error = details | {"needed": amount}, TokensLimited
    return error(
        refused.sentence,
        wait=None if refused.wait is None else -(-refused.wait // MILLISECOND) / 1000,
        fixed_by=fixed_by,
        headers=rate.headers() if rate else {},
        details=details,
    )


def _number(number: int, plural: str) -> str:
    return f"{number:,} {plural.removesuffix('s') if number == 1 else plural}"


_A_MINUTE: dict[Unit, dict[Kind, str]] = {
    "requests": {
        "key": "This API key may make {limit} a minute. Wait {wait} and repeat.",
        "student": "You may make {limit} a minute in this course. Wait {wait} and repeat.",
        "course": "Your course may make {limit} a minute, all students together, and they have been made. Wait {wait} "
        "and repeat; if this happens often, tell your instructor.",
    },
    "tokens": {
        "key": "This API key may take {limit} a minute. {used} are taken, and this request may take {amount}. "
        "Wait {wait} and repeat, or ask for a shorter answer (max_tokens).",
        "student": "You may take {limit} a minute in this course. {used} are taken, and this request may take "
        "{amount}. Wait {wait} and repeat, or ask for a shorter answer (max_tokens).",
        "course": "Your course may take {limit} a minute, all students together. {used} are taken, and this request "
        "may take {amount}. Wait {wait} and repeat; if this happens often, tell your instructor.",
    },
}
_AT_ONCE: dict[Kind, str] = {
    "key": "This API key has {open} open and may have {limit} at once. Wait for one to finish.",
    "student": "You have {open} open and may have {limit} at once in this course. Wait for one to finish.",
    "course": "Your course has {open} open, all students together, and may have {limit} at once. Wait a moment and "
    "repeat; if this happens often, tell your instructor.",
}
_TOO_LARGE = (
    "This request may take {amount} tokens, more than the {limit} that {who} may take in a whole minute. Shorten it, "
    "or ask for a shorter answer (max_tokens); waiting does not help."
)
_WHO: dict[Kind, str] = {"key": "this API key", "student": "you", "course": "your whole course"}
_FIXED_BY: dict[Kind, FixedBy] = {"key": "you", "student": "you", "course": "instructor"}
