"""Reserving: the hold without which nothing is sent to a provider, and the refusal when the week is used up."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.conf import settings

from apps.chat import accounting, backlog, recording
from apps.chat.accounting import Estimate, Unit
from apps.chat.claims import Kept
from apps.chat.parsing import ChatCall
from apps.chat.repeats import Claim, Taken
from apps.common.commit import StoreAway
from apps.common.errors import OutOfQuota
from apps.quotas.movements import Account, Balance, Held, Release, Reserve, Short
from apps.quotas.rates import duration
from apps.quotas.weeks import Week
from apps.rules.rulebook import Verdict

if TYPE_CHECKING:
    from apps.chat.plane import Plane

EXPIRY_MARGIN = timedelta(seconds=60)
_NAMES = {"student": "Your own weekly allowance", "course": "Your course's weekly allowance"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """A committed hold: the output tokens of each choice that it pays for, and how the accounts stand with it."""

    amount: int
    input_estimate: int
    floor: int
    output: int
    is_capped: bool
    balances: tuple[Balance, ...]


async def reserve(
    plane: "Plane", call: ChatCall, verdict: Verdict, *, now: datetime, claim: Claim | None = None
) -> Reservation:
    """Hold what the call may cost. Raises OutOfQuota, after having recorded that, or StoreAway.

    With a claim on an Idempotency-Key, only if nobody else has it. Raises what `repeats.Taken` says.
    """
    policies = plane.policies.current
    policy = policies.of(call.principal.course_id)
    likely = plane.ratios.estimate(call.route.name, call.size)
    estimate = Estimate.of(
        call,
        input=likely,
        default_output=policy.default_output_tokens,
        least_output=policy.least_output_tokens,
    )
    row, hits = recording.row_of(call, now=now, input_tokens=likely), recording.hit_rows(call, verdict)
    movement = Reserve(
        hold=call.id,
        owner=plane.owner.id,
        accounts=policies.accounts(call.principal, now=now),
        amount=estimate.amount,
        least=estimate.least,
        floor=estimate.floor,
        identity=accounting.identity(row, hits),
        now=now,
        expires_at=now + timedelta(seconds=settings.REQUEST_TIMEOUT) + EXPIRY_MARGIN,
    )
    try:
        outcome = await plane.writer.submit(accounting.apply, Unit(movement, claim=claim))
    except StoreAway as error:
        if error.is_unknown:  # the hold may be there, and then nobody would ever end it
            kept = Kept(claim.id, call.id, None) if claim is not None else None
            await backlog.keep(plane.spool, Unit(Release(hold=call.id, now=now), kept=kept), call=call.id)
        raise
    if isinstance(outcome, Taken) and claim is not None:
        raise outcome.refusal(claim) or outcome.in_flight()
    if isinstance(outcome, Short):
        refused = out_of_quota(outcome, estimate, now=now)
        await recording.refused(plane, call, verdict, refused, status="out_of_quota", now=now)
        raise refused
    assert isinstance(outcome, Held)  # noqa: S101  # the ledger answers a reservation in these two ways
    return Reservation(
        amount=outcome.amount,
        input_estimate=likely,
        floor=estimate.floor,
        output=estimate.output_within(outcome.amount, call),
        is_capped=outcome.amount < estimate.amount,
        balances=outcome.balances,
    )


def out_of_quota(short: Short, estimate: Estimate, *, now: datetime) -> OutOfQuota:
    """The refusal: which allowance is short, by how much, until when, and what helps."""
    account = short.account
    remaining = next(balance.remaining for balance in short.balances if balance.account == account) or 0
    name = _NAMES.get(account.kind, "The institution's weekly allowance")
    resets = account.week.ends_at.astimezone(ZoneInfo(account.week.timezone))
    return OutOfQuota(
        f"{name} has {remaining:,} of {account.limit or 0:,} tokens left and this request needs at least "
        f"{estimate.least:,}. It resets on {resets:%A %d %B at %H:%M} ({account.week.timezone}). "
        f"{_advice(account, estimate)}",
        headers=quota_headers(short.balances, now=now),
        details={
            "account": account.kind,
            "limit": account.limit,
            "remaining": remaining,
            "needed": estimate.least,
            "resets_at": account.week.ends_at.isoformat().replace("+00:00", "Z"),
        },
    )


def _advice(account: Account, estimate: Estimate) -> str:
    if account.limit is not None and estimate.least > account.limit:
        return "It is larger than the whole allowance: shorten it, or ask your instructor."
    return "Wait until then, shorten the request, or ask your instructor for more."


def quota_headers(balances: Sequence[Balance], *, now: datetime) -> dict[str, str]:
    """The student's own limit and reset, and what is left over all accounts.

    The tightest of these allowances also goes by the names that OpenAI's clients know: it is the limit that they meet.
    """
    own = balances[0].account
    tightest = min((one for one in balances if one.remaining is not None), key=_remaining, default=balances[0])
    return {
        "x-quota-limit-tokens": str(own.limit or 0),
        "x-quota-remaining-tokens": str(remaining_of(balances)),
        "x-quota-reset": _rfc3339(own.week),
        "x-ratelimit-limit-tokens": str(tightest.account.limit or 0),
        "x-ratelimit-remaining-tokens": str(_remaining(tightest)),
        "x-ratelimit-reset-tokens": duration((tightest.account.week.ends_at - now) // timedelta(microseconds=1)),
    }


def remaining_of(balances: Sequence[Balance]) -> int:
    """What can still be reserved: the least over all limited accounts."""
    return min((left for balance in balances if (left := balance.remaining) is not None), default=0)


def _remaining(balance: Balance) -> int:
    return balance.remaining or 0


def _rfc3339(week: Week) -> str:
    return week.ends_at.isoformat().replace("+00:00", "Z")
