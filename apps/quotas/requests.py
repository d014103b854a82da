"""Requests for more: filed by students through the writer, granted or declined by staff."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models, transaction
from django.db.models import Q

from apps.accounts.models import Membership, User
from apps.common.cursor import Cursor
from apps.quotas.ledger import booking

LONGEST_REASON = 1000
MOST_TOKENS = 10**12
MOST_A_WEEK = 10  # of one student: each that is declined may be followed by another
MOST_READ = 20

OPEN_ALREADY, TOO_MANY = "open already", "too many"
GRANTED = "Granted."
DECLINED = "Not this time; ask your instructor."


class AllowanceRequestQuerySet(models.QuerySet["AllowanceRequest"]):
    def for_staff(self, user: Any) -> "AllowanceRequestQuerySet":
        return self.filter(membership__in=Membership.objects.for_staff(user))

    def open(self) -> "AllowanceRequestQuerySet":
        return self.filter(state=AllowanceRequest.State.OPEN)


class AllowanceRequest(models.Model):
    """A student asks for more tokens in a week. One at a time; decided once, by `grant` or `decline`."""

    class State(models.TextChoices):
        OPEN = "open"
        GRANTED = "granted"
        DECLINED = "declined"

    membership = models.ForeignKey(
        Membership, on_delete=models.CASCADE, related_name="allowance_requests", verbose_name="student"
    )
    week_starts_at = models.DateTimeField("week")
    tokens = models.BigIntegerField("tokens asked for", validators=[MinValueValidator(1)])
    reason = models.TextField(max_length=LONGEST_REASON)
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN, db_default=State.OPEN)
    created_at = models.DateTimeField("asked")
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField("decided", null=True, blank=True)
    answer = models.TextField(max_length=LONGEST_REASON, blank=True, default="", db_default="")
    granted_tokens = models.BigIntegerField("tokens granted", null=True, blank=True)

    objects = AllowanceRequestQuerySet.as_manager()

    class Meta:
        verbose_name = "request for more"
        verbose_name_plural = "requests for more"
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("membership", "week_starts_at"),
                name="one_open_request_per_student_and_week",
                condition=Q(state="open"),
            ),
            models.CheckConstraint(condition=Q(tokens__gte=1), name="a_request_asks_for_something"),
        )

    def __str__(self) -> str:
        return f"{self.tokens:,} tokens for {self.membership}"

    # Mutations

    def grant(self, *, by: User | None, now: datetime, tokens: int | None = None, answer: str = "") -> bool:
        """Give what was asked for, or `tokens`, in the current week. False if somebody had decided it already."""
        amount = self.tokens if tokens is None else tokens
        with transaction.atomic():
            if not self._decide(self.State.GRANTED, by=by, now=now, answer=answer or GRANTED, granted_tokens=amount):
                return False
            booking.grant(self.membership, tokens=amount, by=by, reason=f"Asked for: {self.reason}", now=now)
        return True

    def decline(self, *, by: User | None, now: datetime, answer: str = "") -> bool:
        """Give nothing. False if somebody had decided it already."""
        with transaction.atomic():
            if not self._decide(self.State.DECLINED, by=by, now=now, answer=answer or DECLINED):
                return False
            told = f"Declined {self.tokens:,} tokens. Asked for: {self.reason}"
            booking.explain([(self.membership, told)], by=by, now=now)
        return True

    def _decide(self, state: str, *, by: User | None, now: datetime, answer: str, **values: Any) -> bool:
        """Of several who decide at the same time one does: the condition is looked at with the row locked."""
        changes = {"state": state, "decided_by": by, "decided_at": now, "answer": answer, **values}
        if not type(self).objects.filter(pk=self.pk).open().update(**changes):
            self.refresh_from_db()
            return False
        for name, value in changes.items():
            setattr(self, name, value)
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRequest:
    """What a student asks for."""

    membership_id: int
    week_starts_at: datetime
    tokens: int
    reason: str
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A request as its student sees it."""

    id: int
    tokens: int
    reason: str
    state: str
    answer: str
    granted_tokens: int | None
    created_at: datetime
    decided_at: datetime | None


def file(cursor: Cursor, requests: Sequence[NewRequest]) -> list[int | str]:
    """A function for the writer: file each request; its id, or why it could not be."""
    return [_file(cursor, request) for request in requests]


def _file(cursor: Cursor, request: NewRequest) -> int | str:
    week = (request.membership_id, cursor.instant(request.week_starts_at))
    cursor.execute(
        "SELECT COUNT(*) FROM quotas_allowancerequest WHERE membership_id = %s AND week_starts_at = %s", week
    )
    if cursor.fetchone()[0] >= MOST_A_WEEK:
        return TOO_MANY
    cursor.execute(
        "INSERT INTO quotas_allowancerequest"
        " (membership_id, week_starts_at, tokens, reason, state, created_at, answer)"
        " SELECT id, %s, %s, %s, 'open', %s, '' FROM accounts_membership WHERE id = %s"
        " ON CONFLICT DO NOTHING RETURNING id",
        (week[1], request.tokens, request.reason, cursor.instant(request.now), week[0]),
    )
    row = cursor.fetchone()
    return int(row[0]) if row else OPEN_ALREADY


def told(cursor: Cursor, members: Sequence[int]) -> list[tuple[Told, ...]]:
    """A function for the writer: the latest requests of each member, newest first."""
    return [tuple(_told(cursor, member)) for member in members]


def _told(cursor: Cursor, membership_id: int) -> list[Told]:
    cursor.execute(
        "SELECT id, tokens, reason, state, answer, granted_tokens, created_at, decided_at"
        " FROM quotas_allowancerequest WHERE membership_id = %s ORDER BY id DESC LIMIT %s",
        (membership_id, MOST_READ),
    )
    return [
        Told(
            id=id,
            tokens=tokens,
            reason=reason,
            state=state,
            answer=answer,
            granted_tokens=granted,
            created_at=cursor.read_instant(created),
            decided_at=decided and cursor.read_instant(decided),
        )
        for id, tokens, reason, state, answer, granted, created, decided in cursor.fetchall()
    ]
