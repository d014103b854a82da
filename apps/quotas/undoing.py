"""Taking back a grant that was just given: the opposite movement in the ledger, as far as nothing of it is used.

Only who gave it, only within seconds, and once: the movement has an id of its own, made from the grant's.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction

from apps.accounts.audit import record_each
from apps.accounts.models import Membership, User
from apps.common.cursor import cursor_on
from apps.quotas import standing
from apps.quotas.ledger import booking, ledger
from apps.quotas.ledger.movements import Grant
from apps.quotas.models import AllowanceRequest, LedgerEntry, WeeklyUsage
from apps.quotas.standing import MemberStanding

WITHIN = timedelta(seconds=10)
GRACE = timedelta(seconds=5)  # for the click to arrive


@dataclass(frozen=True, slots=True)
class Undone:
    """How many students lost what they had been given, how many tokens, and how many of the granted stay."""

    students: int
    tokens: int
    spent: int


def undo(id: UUID, *, by: User, now: datetime) -> Undone | None:
    """Take back the grant with this id. None if it is too late, another's, taken back already, or not there."""
    given = LedgerEntry.objects.filter(actor=by, kind=LedgerEntry.Kind.GRANT, hold=f"grant-{id.hex}")
    with transaction.atomic():
        entries = list(given.filter(at__gte=now - WITHIN - GRACE).select_related("usage"))
        # Locked in the order of their ids, as everybody locks weeks, so that what is free stays free until it is taken.
        list(WeeklyUsage.objects.select_for_update().filter(pk__in=[one.usage_id for one in entries]).order_by("pk"))
        free = _free(entries, now=now)
        taken = {one.member: min(entry.granted_delta, _left(one)) for entry, one in free}
        done = _take(id, taken, note=entries[0].note if entries else "", by=by, now=now)
        whole = [one.member.pk for entry, one in free if done.get(one.member) == entry.granted_delta]
        _reopen(entries, whole, by=by)
    granted = sum(entry.granted_delta for entry in entries)
    return Undone(len(done), sum(done.values()), granted - sum(done.values())) if done else None


def _free(entries: list[LedgerEntry], *, now: datetime) -> list[tuple[LedgerEntry, MemberStanding]]:
    """Each entry of a week that is running, with how its student stands."""
    of_member = {entry.usage.account: entry for entry in entries if entry.usage.starts_at <= now < entry.usage.ends_at}
    members = list(Membership.objects.filter(pk__in=of_member).select_related("course", "user"))
    return [(of_member[one.member.pk], one) for one in standing.of_members(members, now=now)]


def _left(one: MemberStanding) -> int:
    return one.balance.granted if one.left is None else one.left


def _take(id: UUID, taken: dict[Membership, int], *, note: str, by: User, now: datetime) -> dict[Membership, int]:
    """What was taken back from whom now; nothing if that had been done."""
    movements = [
        Grant(
            id=f"undo-{id.hex}",
            account=booking.account_of(member, now=now),
            amount=-tokens,
            actor=by.pk,
            note=f"Undone: {note}",
            now=now,
        )
        for member, tokens in taken.items()
        if tokens > 0
    ]
    booked = ledger.record(cursor_on(connection), movements) if movements else []
    losing = [member for member, tokens in taken.items() if tokens > 0]
    done = {member: -one.amount for member, one in zip(losing, booked, strict=True) if one.changed}
    record_each("grant.undone", list(done), after={"reason": note})
    return done


def _reopen(entries: list[LedgerEntry], members: list[int], *, by: User) -> None:
    """The request that the grant answered waits again, unless the student has filed another one since."""
    if not members:
        return
    answered = AllowanceRequest.objects.filter(
        membership__in=members, state=AllowanceRequest.State.GRANTED, decided_by=by, decided_at=entries[0].at
    )
    for request in answered:
        request.reopen()
