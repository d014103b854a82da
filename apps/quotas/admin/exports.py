"""CSV exports of allowances."""

import csv
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.http import StreamingHttpResponse

from apps.quotas.models import LedgerEntry, WeeklyUsage
from apps.quotas.standing import MemberStanding

# Spreadsheets run a cell that begins like this as a formula, some also one that begins with the full-width forms.
# Our own numbers are written as numbers and stay unquoted.
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")


class _Echo:
    """A file whose `write` returns what it is given."""

    def write(self, value: str) -> str:
        return value


def _safe(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def response(name: str, header: Iterable[str], rows: Iterable[Iterable[Any]]) -> StreamingHttpResponse:
    """A CSV file in UTF-8, streamed row by row. Text that a spreadsheet would run as a formula is quoted."""

    def lines() -> Iterator[bytes]:
        writer = csv.writer(_Echo())
        yield "\ufeff".encode()  # byte order mark, without which spreadsheets guess another encoding
        yield writer.writerow(list(header)).encode()
        for row in rows:
            yield writer.writerow([_safe(cell) for cell in row]).encode()

    return StreamingHttpResponse(
        lines(),
        content_type="text/csv; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="{name}.csv"', "cache-control": "no-store"},
    )


STUDENT_COLUMNS = (
    "external_id", "name", "role", "limit", "granted", "used", "held", "left", "week_starts_at", "week_ends_at",
    "timezone", "week_starts_at_utc",
)  # fmt: skip


def students(standings: Iterable[MemberStanding]) -> Iterator[tuple[Any, ...]]:
    for standing in standings:
        member, balance, week = standing.member, standing.balance, standing.balance.account.week
        yield (
            member.external_id,
            member.person,
            member.role,
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
