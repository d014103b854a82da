"""Counts the tokens of a call against the limits of tokens a minute. Without such a limit it does nothing."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from apps.chat.call import ChatCall
from apps.common.ids import new_id
from apps.quotas.rate_limits.limits import Rate, Scope

if TYPE_CHECKING:
    from apps.chat.runtime import Plane


@dataclass(frozen=True, slots=True)
class Pace:
    """Where and under which id a call's tokens were counted, and what was left of the minute."""

    scopes: tuple[Scope, ...] = ()
    id: str = ""
    rate: Rate | None = None

    def headers(self) -> dict[str, str]:
        return self.rate.headers() if self.rate else {}


NONE = Pace()


async def take(plane: "Plane", call: ChatCall, *, amount: int) -> Pace:
    """Count what the call may cost; once it has ended, it has to be corrected. Raises TokensLimited."""
    scopes = plane.policies.current.token_scopes(call.principal)
    if not scopes:
        return NONE
    id = new_id()  # not the call's: one that turns to the fallback model is counted a second time
    return Pace(scopes, id, await plane.rates.admit(scopes, id=id, amount=amount))


async def correct(plane: "Plane", pace: Pace, *, amount: int) -> None:
    """The call has ended and cost this much. Harmless when repeated."""
    await plane.rates.correct(pace.scopes, id=pace.id, amount=amount)
