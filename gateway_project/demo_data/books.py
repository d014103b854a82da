"""The ledger of the demo data: weeks, holds and entries as calls would have left them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson
from django.db.models import Max

from apps.accounts.models import Weekday
from apps.common.cursor import Cursor
from apps.quotas.models import Hold, LedgerEntry, WeeklyUsage
from apps.quotas.weeks import Week, week_at
from gateway_project.demo_data.world import DemoCourse

Entry = tuple[int, str, str, int, int, datetime, int, str]  # week, call, kind, held, used, when, granted, reason
_ENTRY = {
    "id": "bigint", "usage_id": "bigint", "hold": "text", "kind": "text", "held_delta": "bigint",
    "used_delta": "bigint", "at": "timestamptz", "granted_delta": "bigint", "note": "text",
}  # fmt: skip
_HOLD = {
    "id": "text", "owner": "text", "state": "text", "amount": "bigint", "floor": "bigint", "charged": "bigint",
    "usage_ids": "text", "identity": "text", "created_at": "timestamptz", "expires_at": "timestamptz",
    "resolved_at": "timestamptz",
}  # fmt: skip
_WEEK = {
    "id": "bigint", "kind": "text", "account": "bigint", "starts_at": "timestamptz", "ends_at": "timestamptz",
    "used": "bigint", "held": "bigint", "granted": "bigint", "opened_after": "bigint",
}  # fmt: skip


@dataclass(slots=True)
class DemoWeek:
    id: int
    kind: str
    account: int
    week: Week
    limit: int | None
    opened_after: int
    used: int = 0
    granted: int = 0

    @property
    def left(self) -> int | None:
        return None if self.limit is None else self.limit + self.granted - self.used


@dataclass(slots=True)
class DemoHold:
    id: str
    weeks: tuple[DemoWeek, ...]
    amount: int
    at: datetime


def _next_id(model: Any) -> int:
    return (model.objects.aggregate(newest=Max("pk"))["newest"] or 0) + 1


@dataclass(slots=True)
class DemoBooks:
    """Keeps the weeks in memory. `write` stores what has moved since the last time."""

    courses: dict[int, DemoCourse]
    weeks: dict[tuple[str, int, datetime], DemoWeek] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    holds: list[tuple[DemoHold, str, int]] = field(default_factory=list)
    next_entry: int = field(default_factory=lambda: _next_id(LedgerEntry))
    next_week: int = field(default_factory=lambda: _next_id(WeeklyUsage))

    def reserve(
        self, call: str, course_id: int, member_id: int, amount: int, *, least: int, at: datetime
    ) -> DemoHold | None:
        """None if a week has too little left."""
        weeks = self.student(course_id, member_id, at), self.course(course_id, at)
        room = min((week.left for week in weeks if week.left is not None), default=amount)
        if room < least:
            return None
        hold = DemoHold(call, weeks, min(amount, room), at)
        self._move(hold, "hold", held=hold.amount, used=0, at=at)
        return hold

    def settle(self, hold: DemoHold, charge: int, *, at: datetime, is_expired: bool = False) -> None:
        self._move(hold, "expire" if is_expired else "settle", held=-hold.amount, used=charge, at=at)
        self.holds.append((hold, "expired" if is_expired else "settled", charge))

    def release(self, hold: DemoHold, *, at: datetime) -> None:
        self._move(hold, "release", held=-hold.amount, used=0, at=at)
        self.holds.append((hold, "released", 0))

    def staff(self, week: DemoWeek, id: str, *, granted: int = 0, used: int = 0, reason: str, at: datetime) -> None:
        """A grant, or a correction."""
        week.granted += granted
        week.used += used
        self._enter((week.id, id, "grant" if granted else "correct", 0, used, at, granted, reason))

    def student(self, course_id: int, member_id: int, at: datetime) -> DemoWeek:
        return self._week("student", member_id, course_id, self.courses[course_id].student_limit, at)

    def course(self, course_id: int, at: datetime) -> DemoWeek:
        return self._week("course", course_id, course_id, self.courses[course_id].limit, at)

    def _week(self, kind: str, account: int, course_id: int, limit: int | None, at: datetime) -> DemoWeek:
        row = self.courses[course_id].row
        week = week_at(at, timezone=row.timezone, first_day=Weekday(row.week_starts).number)
        key = kind, account, week.starts_at
        if key not in self.weeks:
            opened = self.next_entry + len(self.entries) - 1
            self.weeks[key] = DemoWeek(self.next_week, kind, account, week, limit, opened)
            self.next_week += 1
        return self.weeks[key]

    def _move(self, hold: DemoHold, kind: str, *, held: int, used: int, at: datetime) -> None:
        for week in hold.weeks:
            week.used += used
            self._enter((week.id, hold.id, kind, held, used, at, 0, ""))

    def _enter(self, entry: Entry) -> None:
        self.entries.append(entry)

    # Writing

    def write(self, cursor: Cursor) -> None:
        """Everything but the weeks, which `close` writes once they stand."""
        stamp = cursor.instant
        rows = [
            (self.next_entry + n, week, hold, kind, held, used, stamp(at), granted, note)
            for n, (week, hold, kind, held, used, at, granted, note) in enumerate(self.entries)
        ]
        for part in parts(rows):
            cursor.insert(LedgerEntry._meta.db_table, _ENTRY, part)
        self.next_entry += len(self.entries)
        self.entries.clear()
        for part in parts([self._hold_row(cursor, *ended) for ended in self.holds]):
            cursor.insert(Hold._meta.db_table, _HOLD, part)
        self.holds.clear()

    def _hold_row(self, cursor: Cursor, hold: DemoHold, state: str, charged: int) -> tuple[Any, ...]:
        weeks = orjson.dumps([week.id for week in hold.weeks]).decode()
        at = cursor.instant(hold.at)
        until = cursor.instant(hold.at + timedelta(minutes=10))
        return hold.id, "demo", state, hold.amount, 0, charged, weeks, "{}", at, until, at

    def close(self, cursor: Cursor) -> None:
        rows = [
            (
                one.id,
                one.kind,
                one.account,
                cursor.instant(one.week.starts_at),
                cursor.instant(one.week.ends_at),
                one.used,
                0,
                one.granted,
                one.opened_after,
            )
            for one in self.weeks.values()
        ]
        for part in parts(rows):
            cursor.insert(WeeklyUsage._meta.db_table, _WEEK, part)


def parts(rows: list[Any], size: int = 4_000) -> Iterator[list[Any]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))
