"""Movements of the ledger, one at a time, and what they leave in the books."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import F, Sum

from apps.common.cursor import cursor_on
from apps.quotas.ledger.ledger import apply
from apps.quotas.ledger.movements import Account, Expire, Movement, Outcome, Release, Reserve, Settle
from apps.quotas.models import LedgerEntry, WeeklyUsage
from apps.quotas.weeks import week_at

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
WEEK = week_at(NOW, timezone="UTC", first_day=0)
STUDENT = Account("student", 1, 100, WEEK)
COURSE = Account("course", 1, 250, WEEK)
FREE = Account("institution", 1, None, WEEK)


def move(*movements: Movement) -> list[Outcome]:
    """Apply the movements as one batch."""
    connection.ensure_connection()
    return apply(cursor_on(connection), movements)


def reserve(hold: str, amount: int, *accounts: Account, least: int | None = None, floor: int = 5) -> Reserve:
    return Reserve(
        hold=hold,
        owner="owner",
        accounts=accounts or (STUDENT, COURSE),
        amount=amount,
        least=amount if least is None else least,
        floor=floor,
        identity="{}",
        now=NOW,
        expires_at=LATER,
    )


def settle(hold: str, charge: int) -> Settle:
    return Settle(hold=hold, charge=charge, now=LATER)


def release(hold: str) -> Release:
    return Release(hold=hold, now=LATER)


def expire(hold: str) -> Expire:
    return Expire(hold=hold, now=LATER)


def totals(account: Account) -> tuple[int, int]:
    """What the account has used and holds."""
    row = WeeklyUsage.objects.filter(kind=account.kind, account=account.id).first()
    return (row.used, row.held) if row else (0, 0)


def drift() -> list[Any]:
    """Weeks that are not the sum of their entries."""
    sums = WeeklyUsage.objects.annotate(
        u=Sum("entries__used_delta", default=0), h=Sum("entries__held_delta", default=0)
    )
    return list(sums.exclude(u=F("used"), h=F("held")))


def entries(hold: str) -> list[tuple[str, int, int]]:
    """What the call moved on the student's week after its hold."""
    rows = LedgerEntry.objects.filter(hold=hold, usage__kind="student").exclude(kind="hold").order_by("id")
    return list(rows.values_list("kind", "held_delta", "used_delta"))
