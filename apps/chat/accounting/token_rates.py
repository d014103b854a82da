"""Pacing: the tokens of a call, counted against limits of tokens a minute. Without such a limit it does nothing."""

from dataclasses import dataclass

from apps.chat.call import ChatCall
from apps.quotas.policies import Policies
from apps.quotas.rate_limits.opening import Limits
from apps.quotas.rate_limits.tokens import TokenRate, TokenScope


@dataclass(frozen=True, slots=True)
class TokenPace:
    """Where a call's tokens were counted, and what was left of the minute."""

    scopes: tuple[TokenScope, ...] = ()
    rate: TokenRate | None = None

    def headers(self) -> dict[str, str]:
        return self.rate.headers() if self.rate else {}


NONE = TokenPace()


async def take(policies: Policies, rates: Limits, call: ChatCall, *, amount: int) -> TokenPace:
    """Count what the call may cost; whoever took it says in the end what it did. Raises TokensLimited."""
    scopes = policies.token_scopes(call.principal)
    if not scopes:
        return NONE
    return TokenPace(scopes, await rates.take(scopes, id=call.id, amount=amount))


def correct(rates: Limits, call: ChatCall, pace: TokenPace, *, amount: int) -> None:
    """The call is over, and this is what it cost; harmless when repeated."""
    rates.correct(pace.scopes, id=call.id, amount=amount)
