"""Counts the tokens of a call against the limits of tokens a minute. Without such a limit it does nothing."""

from dataclasses import dataclass

from apps.chat.call import ChatCall
from apps.common.ids import new_id
from apps.quotas.policies import Policies
from apps.quotas.rate_limits.limits import Rate, RateLimits, Scope


@dataclass(frozen=True, slots=True)
class TokenPace:
    """Where and under which id a call's tokens were counted, and what was left of the minute."""

    scopes: tuple[Scope, ...] = ()
    id: str = ""
    rate: Rate | None = None

    def headers(self) -> dict[str, str]:
        return self.rate.headers() if self.rate else {}


NONE = TokenPace()


async def take(policies: Policies, rates: RateLimits, call: ChatCall, *, amount: int) -> TokenPace:
    """Count what the call may cost; once it has ended, it has to be corrected. Raises TokensLimited."""
    scopes = policies.token_scopes(call.principal)
    if not scopes:
        return NONE
    id = new_id()  # not the call's: one that turns to the fallback model is counted a second time
    return TokenPace(scopes, id, await rates.admit(scopes, id=id, amount=amount))


async def correct(rates: RateLimits, pace: TokenPace, *, amount: int) -> None:
    """The call has ended and cost this much. Harmless when repeated."""
    await rates.correct(pace.scopes, id=pace.id, amount=amount)
