"""Decisions of staff: boosts, overrides, grants and corrections, each with a line in the ledger.

Each function makes its own transaction; call it from a thread. The ledger's lines come last in the transaction, because
they lock weeks that calls wait for. Callers check permissions.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.db import connection, transaction

from apps.accounts import permissions
from apps.accounts.audit import record_each
from apps.accounts.models import Membership, User
from apps.common.cursor import cursor_on
from apps.quotas.ledger import booking, ledger
from apps.quotas.ledger.movements import Account, Correct, Grant, StaffMovement
from apps.quotas.models import Decision, Override

# Boosts and overrides


def record(*, new: Sequence[Decision] = (), ended: Sequence[Decision] = (), by: User | None, now: datetime) -> int:
    """Put new decisions into force and end others, in one transaction.

    Returns how many took effect. Decisions that are over already stay unchanged.
    """
    with transaction.atomic():
        over = [decision for decision in ended if decision.mark_ended(now=now)]
        for decision in new:
            decision.author, decision.created_at = by, now
            decision.save(force_insert=True)
        lines = [(decision.owner, f"Ended: {decision.summary}") for decision in over]
        lines += [(decision.owner, f"{decision.summary}: {decision.reason}") for decision in new]
        booking.explain(lines, by=by, now=now)
    return len(lines)


def give(decision: Decision, *, by: User | None, now: datetime) -> None:
    """Put a new decision into force."""
    record(new=[decision], by=by, now=now)


def end(decision: Decision, *, by: User | None, now: datetime) -> bool:
    """End a decision early. Returns False, and changes nothing, if it was over already."""
    return record(ended=[decision], by=by, now=now) == 1


def give_overrides(
    members: Sequence[Membership],
    *,
    weekly_tokens: int,
    ends_at: datetime | None,
    reason: str,
    by: User | None,
    now: datetime,
) -> int:
    """Give each member this allowance from now on. Returns how many got it.

    Members with exactly the same override keep it and do not count.
    """
    same = Override.objects.active(now=now).filter(weekly_tokens=weekly_tokens, ends_at=ends_at, reason=reason)
    served = set(same.values_list("membership_id", flat=True))
    rows = [
        Override(membership=member, weekly_tokens=weekly_tokens, starts_at=now, ends_at=ends_at, reason=reason)
        for member in members
        if member.pk not in served
    ]
    return record(new=rows, by=by, now=now)


def end_overrides(members: Sequence[Membership], *, by: User | None, now: datetime) -> int:
    """Return each member to the course's allowance. Returns how many had an override."""
    running = Override.objects.unfinished(now=now).filter(membership__in=[member.pk for member in members])
    found = list(running.select_related("membership__course"))
    record(ended=found, by=by, now=now)
    return len({override.membership_id for override in found})


# Grants and corrections


def grant(
    members: Sequence[Membership], *, tokens: int, reason: str, by: User | None, now: datetime, once: UUID | None = None
) -> int:
    """Add tokens to each member's current week. Returns how many weeks changed; repeating `once` changes none.

    Raises ValidationError if somebody would have more than operators allow.
    """
    booking.check_ceiling(members, tokens=tokens, now=now)
    id = f"grant-{(once or uuid4()).hex}"

    def movement(account: Account) -> Grant:
        return Grant(id=id, account=account, amount=tokens, actor=_key(by), note=reason, now=now)

    return _book("grant.given", members, movement, told={"tokens": tokens, "reason": reason}, now=now)


def correct(
    members: Sequence[Membership], *, tokens: int, reason: str, by: User | None, now: datetime, once: UUID | None = None
) -> int:
    """Change what each member has used this week. A refund is negative, and never leaves less than zero.

    Returns how many weeks changed; repeating `once` changes none. Raises ValidationError for a refund with which
    somebody would have more than operators allow, unless it is an operator's.
    """
    if tokens < 0 and by is not None and not permissions.is_operator(by):
        booking.check_ceiling(members, tokens=-tokens, now=now)
    id = f"correct-{(once or uuid4()).hex}"

    def movement(account: Account) -> Correct:
        return Correct(id=id, account=account, used_delta=tokens, actor=_key(by), note=reason, now=now)

    return _book("usage.corrected", members, movement, told={"tokens": tokens, "reason": reason}, now=now)


def _book(
    action: str,
    members: Sequence[Membership],
    movement: Callable[[Account], StaffMovement],
    *,
    told: dict[str, Any],
    now: datetime,
) -> int:
    accounts = [booking.account_of(member, now=now) for member in members]
    with transaction.atomic():
        booked = ledger.record(cursor_on(connection), [movement(account) for account in accounts])
        changed = [member for member, one in zip(members, booked, strict=True) if one.changed]
        record_each(action, changed, after=told)
    return len(changed)


def _key(by: User | None) -> int | None:
    return by.pk if by else None
