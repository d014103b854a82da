"""What staff decide about an account, written into the ledger in the transaction that decides it."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID, uuid4

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import Max, Sum

from apps.accounts.models import Course, Membership, User, Weekday
from apps.common.cursor import cursor_on
from apps.quotas.ledger import ledger
from apps.quotas.ledger.movements import Account, Booked, Grant, Note
from apps.quotas.limits import lower, multiplied
from apps.quotas.models import Boost, Ceiling, LedgerEntry, Override, QuotaPolicy, RoleAllowance, WeeklyUsage
from apps.quotas.weeks import Week, week_at

Owner = Course | Membership


def week_of(course: Course, *, now: datetime) -> Week:
    return week_at(now, timezone=course.timezone, first_day=Weekday(course.week_starts).number)


def account_of(owner: Owner, *, now: datetime) -> Account:
    """The account of a course, or a member's own, in the week of `now`; what its limit is does not matter here."""
    if isinstance(owner, Course):
        return Account("course", owner.pk, None, week_of(owner, now=now))
    return Account("student", owner.pk, None, week_of(owner.course, now=now))


def grant(to: Owner, *, tokens: int, by: User | None, reason: str, now: datetime, once: UUID | None = None) -> Booked:
    """Add tokens to the current week of a student or a course, once. A negative amount takes back what was granted.

    Raises ValidationError if a student would have more than operators allow.
    """
    if isinstance(to, Membership):
        check_ceiling([to], tokens=tokens, now=now)
    movement = Grant(
        id=f"grant-{(once or uuid4()).hex}",
        account=account_of(to, now=now),
        amount=tokens,
        actor=by.pk if by else None,
        note=reason,
        now=now,
    )
    with transaction.atomic():
        (booked,) = ledger.record(cursor_on(connection), [movement])
    return booked


def check_ceiling(members: Sequence[Membership], *, tokens: int, now: datetime) -> None:
    """Raise ValidationError if, with a grant, somebody would have more this week than operators allow in the course."""
    courses = {member.course_id for member in members}
    ceilings = Ceiling.objects.filter(course__in=courses).exclude(most_member_weekly_tokens=None)
    most = dict(ceilings.values_list("course_id", "most_member_weekly_tokens"))
    for member in members:
        ceiling = most.get(member.course_id)
        if ceiling is not None and (room := ceiling - _given(member, ceiling=ceiling, now=now)) < tokens:
            told = f"{member.person} can be given at most {max(room, 0):,} tokens more this week"
            raise ValidationError(f"{told}: operators allow {ceiling:,} a week in {member.course}.")


def _given(member: Membership, *, ceiling: int, now: datetime) -> int:
    """What a member has this week, grants and refunds included; without a limit as much as the ceiling allows."""
    account = account_of(member, now=now)
    row = WeeklyUsage.objects.filter(kind=account.kind, account=account.id, starts_at=account.week.starts_at).first()
    override = Override.objects.active(now=now).filter(membership=member).order_by("-pk").first()
    allowance = override.weekly_tokens if override else _allowance(member)
    factor = Boost.objects.active(now=now).filter(course=member.course_id).aggregate(Max("factor"))["factor__max"]
    limit = None if allowance is None else multiplied(allowance, factor or Decimal(1))
    return (lower(limit, ceiling) or 0) + (row.granted + _refunded(row) if row else 0)


def _refunded(week: WeeklyUsage) -> int:
    """What staff took off the usage of a week, less what they added to it."""
    corrected = LedgerEntry.objects.of(week).filter(kind=LedgerEntry.Kind.CORRECT).order_by()
    return max(0, -(corrected.aggregate(sum=Sum("used_delta"))["sum"] or 0))


def _allowance(member: Membership) -> int:
    role = RoleAllowance.objects.filter(course=member.course_id, role=member.role).exclude(weekly_tokens=None).first()
    policy = QuotaPolicy.objects.filter(course=member.course_id).first()
    return int((role.weekly_tokens or 0) if role else policy.student_weekly_tokens if policy else 0)


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
