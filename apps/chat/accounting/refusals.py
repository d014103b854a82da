"""The error when a week does not pay for a call: which allowance is short, by how much, until when, and who can help.

If only calls in progress keep it from being enough, waiting for them helps, and the error says so.

Of a shared allowance, students learn only what their own request lacks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from apps.chat.accounting.estimates import Estimate
from apps.common.errors import AllowanceInUse, FixedBy, GatewayError, OutOfQuota
from apps.quotas.ledger.movements import Balance, Short
from apps.quotas.limits import LimitSource

OWN = ("student", "fallback")
WAIT_SECONDS = 3  # for Retry-After: few calls in progress end at once
HOW_TO_ASK = {"method": "POST", "path": "/v1/usage/requests"}
NO_ALLOWANCE = "Your course has no allowance yet, so it cannot answer. Tell your instructor."
_SHARED = {"course": "Your course's weekly allowance", "institution": "The institution's weekly allowance"}
_ASK = {
    **dict.fromkeys(OWN, "ask for more (POST /v1/usage/requests)"),
    "course": "ask your instructor for more",
    "institution": "ask the operator",
}


@dataclass(frozen=True, slots=True)
class Refused:
    """A model that could not be paid for, and the same of the fallback model, if there is one."""

    model: str
    estimate: Estimate
    short: Short
    fallback: "Refused | None" = None

    @property
    def balance(self) -> Balance:
        """The balance of the account that was short."""
        return next(balance for balance in self.short.balances if balance.account == self.short.account)

    @property
    def lacks(self) -> int:
        return self.estimate.least - (self.balance.remaining or 0)

    @property
    def waits_for_calls(self) -> bool:
        """Whether it could be paid for if no call were in progress."""
        return self.balance.used + self.estimate.least <= (self.balance.limit or 0)


def refusal_of(refused: Refused, *, source: LimitSource, headers: Mapping[str, str]) -> GatewayError:
    if not source.has_policy and not refused.balance.limit:
        return OutOfQuota(NO_ALLOWANCE, headers=headers, details={"account": "course", "has_allowance": False})
    waiting = next((one for one in (refused, refused.fallback) if one is not None and one.waits_for_calls), None)
    if waiting is None:
        return _out_of_quota(refused, source=source, headers=headers)
    sentences = (_what(refused, source), _otherwise(refused.fallback), _in_progress(waiting.balance))
    message, details = " ".join(filter(None, sentences)), _details(refused)
    return AllowanceInUse(message, wait=WAIT_SECONDS, headers=headers, details=details)


def _in_progress(balance: Balance) -> str:
    if balance.account.kind not in OWN:
        return "Calls in progress hold what is missing. Ask again in a moment."
    return f"Your calls in progress hold {balance.held:,} tokens of it. Ask again when one of them has ended."


def _out_of_quota(refused: Refused, *, source: LimitSource, headers: Mapping[str, str]) -> OutOfQuota:
    account = refused.balance.account
    sentences = (_what(refused, source), _until(refused), _otherwise(refused.fallback), _advice(refused))
    who: FixedBy = "operator" if account.kind == "institution" else "instructor"
    return OutOfQuota(" ".join(filter(None, sentences)), headers=headers, details=_details(refused), fixed_by=who)


def _what(refused: Refused, source: LimitSource) -> str:
    balance, needed = refused.balance, f"this request needs at least {refused.estimate.least:,}"
    if balance.account.kind not in OWN:
        name = _SHARED[balance.account.kind]
        return f"{name}, which others draw on as well, is short by {refused.lacks:,} tokens: {needed}."
    left = f"{balance.remaining or 0:,} of {balance.limit or 0:,} tokens left"
    return f"Your own weekly allowance has {left}{_counted(balance, source)} and {needed}."


def _counted(balance: Balance, source: LimitSource) -> str:
    """What the limit contains besides the standard allowance."""
    parts = [
        "an override of yours" if source.override else "",
        f"a boost of ×{source.boost.factor.normalize():f}" if source.boost else "",
        f"{balance.granted:,} granted this week" if balance.granted else "",
    ]
    named = [part for part in parts if part]
    return f" ({', '.join(named)} counted in)" if named else ""


def _until(refused: Refused) -> str:
    week = refused.balance.account.week
    return f"It resets on {week.ends_at.astimezone(ZoneInfo(week.timezone)):%A %d %B at %H:%M} ({week.timezone})."


def _otherwise(fallback: Refused | None) -> str:
    if fallback is None:
        return ""
    balance = fallback.balance
    name = f"The fallback model '{fallback.model}' cannot answer either"
    if balance.account.kind not in OWN:
        return f"{name}: {_SHARED[balance.account.kind].lower()} is short by {fallback.lacks:,} tokens."
    left = f"{balance.remaining or 0:,} of {balance.limit or 0:,} tokens left"
    return f"{name}: its own allowance has {left} and it needs at least {fallback.estimate.least:,}."


def _advice(refused: Refused) -> str:
    balance, estimate = refused.balance, refused.estimate
    limit = balance.limit or 0
    useless = "larger than the whole weekly allowance, so waiting does not help: shorten it"
    if estimate.floor > limit:
        return f"The request's input alone is {useless}."
    if estimate.least > limit:
        return f"The request is {useless}, or {_ASK[balance.account.kind]}."
    return f"Wait until then, shorten the request, or {_ASK[balance.account.kind]}."


def _details(refused: Refused) -> dict[str, Any]:
    balance = refused.balance
    account = balance.account
    details: dict[str, Any] = {"account": account.kind, "needed": refused.estimate.least, "short_by": refused.lacks}
    if account.kind in OWN:
        details |= {"limit": balance.limit, "remaining": balance.remaining, "granted": balance.granted}
        details["held"] = balance.held
        details["request_more"] = HOW_TO_ASK
    if refused.fallback is not None:
        details["fallback"] = {"model": refused.fallback.model, **_fallback_details(refused.fallback)}
    return {**details, "resets_at": account.week.ends_at.isoformat().replace("+00:00", "Z")}


def _fallback_details(fallback: Refused) -> dict[str, Any]:
    details = _details(fallback)
    return {name: details[name] for name in ("account", "needed", "short_by", "limit", "remaining") if name in details}
