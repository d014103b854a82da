"""Judges one more request to a service by the counts of all its limits: the rate of each, or a refusal."""

from collections.abc import Sequence

from apps.common.errors import FixedBy, RateLimited
from apps.quotas.rate_limits.fields import fields, whole_seconds
from apps.quotas.rate_limits.limits import WINDOW, Count, Kind, Rate, Scope


def judge_each(scopes: Sequence[Scope], counts: Sequence[Count], *, now: int, amount: int = 1) -> Sequence[Rate]:
    """The rate of each scope after counting the amount. Raises RateLimited.

    The refusal names only the limits that refuse, so that Retry-After is never before the end of one it names.
    """
    full = [
        (scope, count.due + scope.window - now)
        for scope, count in zip(scopes, counts, strict=True)
        if count.used + amount > (scope.per_minute or 0)
    ]
    if full:
        raise _refusal(scopes, full)
    return [
        Rate(scope.unit, scope.told_limit, (scope.per_minute or 0) - count.used - amount, scope.window)
        for scope, count in zip(scopes, counts, strict=True)
    ]


def _refusal(scopes: Sequence[Scope], full: Sequence[tuple[Scope, int]]) -> RateLimited:
    """With the sentence of the limit that lasts longest."""
    scope, wait = max(full, key=lambda pair: pair[1])
    number, seconds = scope.told_limit, whole_seconds(wait)
    return RateLimited(
        _SENTENCES[scope.kind].format(
            limit=f"{number:,} request{'' if number == 1 else 's'}",
            window="minute" if scope.window == WINDOW else "second",
            wait=f"{seconds} second{'' if seconds == 1 else 's'}",
        ),
        wait=wait / 1_000_000,
        fixed_by=_FIXED_BY.get(scope.kind, "you"),
        headers=fields(scopes, [(scope, 0, wait) for scope, wait in full]),
        details={"scope": scope.kind, "limit": number},
    )


_SENTENCES: dict[Kind, str] = {
    "key": "This API key may make {limit} a {window} to this service. Wait {wait} and repeat.",
    "student": "You may make {limit} a {window} to this service, with all your keys. Wait {wait} and repeat.",
    "address": "Without a key, {limit} a {window} may be made from your address. Wait {wait} and repeat.",
    "route": "This part of the service takes {limit} a {window}, of all callers together, and they have been made. "
    "Wait {wait} and repeat.",
}
_FIXED_BY: dict[Kind, FixedBy] = {"route": "operator"}
