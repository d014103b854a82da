"""What staff decide about many students at a time, or about what was used: each with its line in the ledger.

All are for threads and make their own transaction; the ledger's lines come last, since they lock the weeks that calls
wait for. Whether somebody may decide is the caller's question.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID, uuid4

from django.db import connection, transaction

from apps.accounts.models import Membership, User
from apps.common.cursor import cursor_on
from apps.quotas import allowances
from apps.quotas.ledger import booking, ledger
from apps.quotas.ledger.movements import Account, Correct, Grant, StaffMovement
from apps.quotas.models import Override


def grant(
    members: Sequence[Membership], *, tokens: int, reason: str, by: User | None, now: datetime, once: UUID | None = None
) -> int:
    """Add tokens to the current week of each; to how many. Said again with the same `once`, it changes nothing."""
    id = f"grant-{(once or uuid4()).hex}"

    def movement(account: Account) -> Grant:
        return Grant(id=id, account=account, amount=tokens, actor=_key(by), note=reason, now=now)

    return _book(members, movement, now=now)


def correct(
    members: Sequence[Membership], *, tokens: int, reason: str, by: User | None, now: datetime, once: UUID | None = None
) -> int:
    """Change what each has used this week; of how many. A refund is negative, and leaves at least nothing.

    Said again with the same `once`, it changes nothing.
    """
    id = f"correct-{(once or uuid4()).hex}"

    def movement(account: Account) -> Correct:
        return Correct(id=id, account=account, used_delta=tokens, actor=_key(by), note=reason, now=now)

    return _book(members, movement, now=now)


def override(
    members: Sequence[Membership],
    *,
    weekly_tokens: int,
    ends_at: datetime | None,
    reason: str,
    by: User | None,
    now: datetime,
) -> int:
    """Give each this allowance from now on; to how many. Who has the very same already keeps it."""
    same = Override.objects.active(now=now).filter(weekly_tokens=weekly_tokens, ends_at=ends_at, reason=reason)
    served = set(same.values_list("membership_id", flat=True))
    rows = [
        Override(membership=member, weekly_tokens=weekly_tokens, starts_at=now, ends_at=ends_at, reason=reason)
        for member in members
        if member.pk not in served
    ]
    return allowances.decide(new=rows, by=by, now=now)


def end_overrides(members: Sequence[Membership], *, by: User | None, now: datetime) -> int:
    """Return to everybody's allowance; how many had another."""
    running = Override.objects.unfinished(now=now).filter(membership__in=[member.pk for member in members])
    found = list(running.select_related("membership__course"))
    allowances.decide(ended=found, by=by, now=now)
    return len({override.membership_id for override in found})


def _book(members: Sequence[Membership], movement: Callable[[Account], StaffMovement], *, now: datetime) -> int:
    accounts = [booking.account_of(member, now=now) for member in members]
    with transaction.atomic():
        booked = ledger.record(cursor_on(connection), [movement(account) for account in accounts])
    return sum(one.changed for one in booked)


def _key(by: User | None) -> int | None:
    return by.pk if by else None
