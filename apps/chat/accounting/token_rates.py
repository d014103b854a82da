"""Counts the tokens of a call against the limits of tokens per minute. Without such a limit it does nothing."""

from dataclasses import dataclass

from apps.common.ids import new_id
from apps.quotas.rate_limits.limits import Rate, RateLimits, Scope


@dataclass(frozen=True, slots=True)
class TokenPace:
    """Where and under which id a call's tokens were counted, and what is left of the minute."""

    scopes: tuple[Scope, ...] = ()
    id: str = ""
    rate: Rate | None = None

    def headers(self) -> dict[str, str]:
        return self.rate.headers() if self.rate else {}


NONE = TokenPace()


async def take(scopes: tuple[Scope, ...], rates: RateLimits, *, amount: int) -> TokenPace:
    """Count what the call may cost, to be corrected when it ends. Raises TokensLimited."""
    if not scopes:
        return NONE
    id = new_id()  # not the call's id: a call that turns to the fallback model is counted twice
    return TokenPace(scopes, id, await rates.admit(scopes, id=id, amount=amount))


async def correct(rates: RateLimits, pace: TokenPace, *, amount: int) -> None:
    """Replace the count by what the call has cost. Safe to repeat."""
    if pace.scopes:
        await rates.correct(pace.scopes, id=pace.id, amount=amount)
