"""Petitions: a student asks, and staff decide once. The two kinds are requests for more and appeals.

Each kind has its own table, with the columns of `PetitionView` and `decided_by`. Students file and read petitions
through the writer; staff decide them in the admin.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, ClassVar, Self, TypeVar

from django.db import models, transaction

from apps.accounts.audit import record
from apps.accounts.models import User
from apps.common.cursor import Cursor

OPEN = "open"
M = TypeVar("M", bound=models.Model)


class PetitionQuerySet(models.QuerySet[M]):
    def open(self) -> Self:
        return self.filter(state=OPEN)


class Petition(models.Model):
    """Base of the tables of petitions."""

    audit_noun: ClassVar[str]
    LONGEST: ClassVar[int] = 1000  # characters of a reason or an answer

    class Meta:
        abstract = True

    def decide(self, state: str, *, by: User | None, answer: str, now: datetime, **values: Any) -> bool:
        """Decide an open petition. False if somebody else has decided it."""
        # The UPDATE checks the state under the row lock, so only one of several concurrent decisions succeeds.
        changes = {"state": state, "answer": answer, "decided_by": by, "decided_at": now, **values}
        rows: Any = type(self)._default_manager
        with transaction.atomic():
            if not rows.filter(pk=self.pk, state=OPEN).update(**changes):
                self.refresh_from_db()
                return False
            decided = {"state": str(state), **values}
            record(f"{self.audit_noun}.{state}", subject=self, before={"state": OPEN}, after=decided)
        for name, value in changes.items():
            setattr(self, name, value)
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPetition:
    """What a student files."""

    membership_id: int
    reason: str
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PetitionView:
    """A petition as its student sees it. Field names are column names."""

    reason: str
    state: str = OPEN
    answer: str = ""
    created_at: datetime
    decided_at: datetime | None = None


V = TypeVar("V", bound=PetitionView)


def latest(cursor: Cursor, view: type[V], members: Sequence[int], *, table: str, most: int) -> list[tuple[V, ...]]:
    """The latest petitions of each member, newest first."""
    return [tuple(_latest(cursor, view, member, table=table, most=most)) for member in members]


def _latest(cursor: Cursor, view: type[V], membership_id: int, *, table: str, most: int) -> list[V]:
    columns = [column.name for column in fields(view)]
    cursor.execute(
        f"SELECT {', '.join(columns)} FROM {table} WHERE membership_id = %s ORDER BY id DESC LIMIT %s",
        (membership_id, most),
    )
    return [
        view(**{name: _read(cursor, value) for name, value in zip(columns, row, strict=True)})
        for row in cursor.fetchall()
    ]


def _read(cursor: Cursor, value: Any) -> Any:
    return cursor.read_instant(value) if isinstance(value, datetime) else value
