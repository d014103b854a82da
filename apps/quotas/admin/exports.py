"""CSV exports of allowances."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from apps.quotas.models import LedgerEntry, WeeklyUsage
from apps.quotas.standing import MemberStanding

STUDENT_COLUMNS = (
    "student_number", "name", "role", "state", "limit", "granted", "used", "held", "left", "week_starts_at",
    "week_ends_at", "timezone", "week_starts_at_utc",
)  # fmt: skip


def students(standings: Iterable[MemberStanding], states: Iterable[str]) -> Iterator[tuple[Any, ...]]:
    """`states` are in the order of the students, in the words of the page that exports them."""
    for standing, state in zip(standings, states, strict=True):
        member, balance, week = standing.member, standing.balance, standing.balance.account.week
        yield (
            member.external_id,
            member.person,
            member.role,
            state,
            "" if standing.limit is None else standing.limit,
            balance.granted,
            balance.used,
            balance.held,
            "" if standing.left is None else standing.left,
            _local(week.starts_at, week.timezone),
            _local(week.ends_at, week.timezone),
            week.timezone,
            week.starts_at.isoformat(),
        )


ENTRY_COLUMNS = (
    "time", "timezone", "time_utc", "movement", "call", "held", "used", "granted", "held_after", "used_after", "by",
    "reason",
)  # fmt: skip


def entries(week: WeeklyUsage, timezone: str) -> Iterator[tuple[Any, ...]]:
    """A week's ledger from its beginning, with running sums."""
    held = used = 0
    for entry in LedgerEntry.objects.of(week).select_related("actor").order_by("pk").iterator(chunk_size=1000):
        held, used = held + entry.held_delta, used + entry.used_delta
        yield (
            _local(entry.at, timezone),
            timezone,
            entry.at.isoformat(),
            entry.get_kind_display(),
            entry.hold,
            entry.held_delta,
            entry.used_delta,
            entry.granted_delta,
            held,
            used,
            str(entry.actor) if entry.actor else "",
            entry.note,
        )


def _local(instant: datetime, timezone: str) -> str:
    return instant.astimezone(ZoneInfo(timezone)).strftime("%Y-%m-%d %H:%M:%S")
