"""Requests for more: students file them through the writer, and staff grant or decline them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction

from apps.accounts import petitions
from apps.accounts.models import User
from apps.accounts.petitions import NewPetition, PetitionView
from apps.common.cursor import Cursor
from apps.quotas.ledger import booking
from apps.quotas.models import AllowanceRequest

MOST_A_WEEK = 10  # per student: after each refusal a student may ask again
MOST_READ = 20

OPEN_ALREADY, TOO_MANY = "open already", "too many"
GRANTED = "Granted."
NEEDS_SENTENCE = "Write the student a sentence when you decline. Nothing was changed."


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRequest(NewPetition):
    week_starts_at: datetime
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestView(PetitionView):
    id: int
    tokens: int
    granted_tokens: int | None = None


# For students, through the writer


def file(cursor: Cursor, requests: Sequence[NewRequest]) -> list[int | str]:
    """For the writer: file each request. Returns its id, or why it was refused."""
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


def latest(cursor: Cursor, members: Sequence[int]) -> list[tuple[RequestView, ...]]:
    """For the writer: the latest requests of each member, newest first."""
    return petitions.latest(cursor, RequestView, members, table="quotas_allowancerequest", most=MOST_READ)


# For staff


def grant(
    request: AllowanceRequest,
    *,
    by: User | None,
    now: datetime,
    tokens: int | None = None,
    answer: str = "",
    once: UUID | None = None,
) -> bool:
    """Grant what was asked for, or `tokens`, in the current week. False if somebody has decided it already."""
    amount = request.tokens if tokens is None else tokens
    with transaction.atomic():
        state = AllowanceRequest.State.GRANTED
        if not request.decide(state, by=by, now=now, answer=answer or GRANTED, granted_tokens=amount):
            return False
        booking.grant(
            request.membership, tokens=amount, by=by, reason=f"Asked for: {request.reason}", now=now, once=once
        )
    return True


def decline(request: AllowanceRequest, *, by: User | None, now: datetime, answer: str) -> bool:
    """Decline the request, with a sentence for the student. False if somebody has decided it already."""
    if not answer.strip():
        raise ValidationError(NEEDS_SENTENCE)
    with transaction.atomic():
        if not request.decide(AllowanceRequest.State.DECLINED, by=by, now=now, answer=answer.strip()):
            return False
        line = f"Declined {request.tokens:,} tokens. Asked for: {request.reason}"
        booking.explain([(request.membership, line)], by=by, now=now)
    return True
