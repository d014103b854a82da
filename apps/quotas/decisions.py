"""What staff decide about many students at a time, or about what was used: each with its line in the ledger.

All are for threads and make their own transaction; the ledger's lines come last, since they lock the weeks that calls
wait for. Whether somebody may decide is the caller's question.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import uuid4

from django.db import connection, transaction

from apps.accounts.models import Membership, User
from apps.common.cursor import cursor_on
from apps.quotas import booking, ledger
from apps.quotas.models import Override
from apps.quotas.movements import Account, Booked, Correct, Grant, StaffMovement


def grant(members: Sequence[Membership], *, tokens: int, reason: str, by: User | None, now: datetime) -> list[Booked]:
    """Add tokens to the current week of each, once."""

    def movement(account: Account) -> Grant:
        return Grant(id=f"grant-{uuid4().hex}", account=account, amount=tokens, actor=_key(by), note=reason, now=now)

    return _book(members, movement, now=now)


def correct(members: Sequence[Membership], *, tokens: int, reason: str, by: User | None, now: datetime) -> list[Booked]:
    """Change what each has used this week: a refund is negative, and leaves at least nothing."""

    def movement(account: Account) -> Correct:
        return Correct(
            id=f"correct-{uuid4().hex}", account=account, used_delta=tokens, actor=_key(by), note=reason, now=now
        )

    return _book(members, movement, now=now)


def end_overrides(members: Sequence[Membership], *, by: User | None, now: datetime) -> int:
    """Return to everybody's allowance; how many had another."""
    with transaction.atomic():
        running = Override.objects.unfinished(now=now).filter(membership__in=[member.pk for member in members])
        ended = [one.membership_id for one in running.select_related("membership__course") if one.end(by=by, now=now)]
    return len(set(ended))


def _book(
    members: Sequence[Membership], movement: Callable[[Account], StaffMovement], *, now: datetime
) -> list[Booked]:
    accounts = [booking.account_of(member, now=now) for member in members]
    with transaction.atomic():
        return ledger.record(cursor_on(connection), [movement(account) for account in accounts])


def _key(by: User | None) -> int | None:
    return by.pk if by else None
