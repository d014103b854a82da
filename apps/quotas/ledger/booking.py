"""What staff decide about an account, written into the ledger in the transaction that decides it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import uuid4

from django.db import connection, transaction

from apps.accounts.models import Course, Membership, User, Weekday
from apps.common.cursor import cursor_on
from apps.quotas.ledger import ledger
from apps.quotas.ledger.movements import Account, Booked, Grant, Note
from apps.quotas.weeks import Week, week_at

Owner = Course | Membership


def week_of(course: Course, *, now: datetime) -> Week:
    return week_at(now, timezone=course.timezone, first_day=Weekday(course.week_starts).number)


def account_of(owner: Owner, *, now: datetime) -> Account:
    """The account of a course, or a member's own, in the week of `now`; what its limit is does not matter here."""
    if isinstance(owner, Course):
        return Account("course", owner.pk, None, week_of(owner, now=now))
    return Account("student", owner.pk, None, week_of(owner.course, now=now))


def grant(to: Owner, *, tokens: int, by: User | None, reason: str, now: datetime) -> Booked:
    """Add tokens to the current week of a student or a course, once. A negative amount takes back what was granted."""
    movement = Grant(
        id=f"grant-{uuid4().hex}",
        account=account_of(to, now=now),
        amount=tokens,
        actor=by.pk if by else None,
        note=reason,
        now=now,
    )
    with transaction.atomic():
        (booked,) = ledger.record(cursor_on(connection), [movement])
    return booked


def explain(changes: Sequence[tuple[Owner, str]], *, by: User | None, now: datetime) -> None:
    """Leave a line in the current week of each account. Call it last in the transaction that makes the changes."""
    notes = [
        Note(
            id=f"change-{uuid4().hex}",
            account=account_of(owner, now=now),
            actor=by.pk if by else None,
            note=text,
            now=now,
        )
        for owner, text in changes
    ]
    if notes:
        with transaction.atomic():
            ledger.record(cursor_on(connection), notes)
