"""Keeping figures: finished calls are counted once, by ranges of their ids, however often a worker is killed.

Ids are in the order in which calls began, but a row is written when its call ends. So counting stays behind the oldest
call that holds tokens, and some minutes behind the clock, for calls that hold none. It remembers how far it came in the
transaction that adds what it counted.

Rows that come later still are found by `count_again`: those that an outbox kept while the database was away, and those
that are corrected after a crash. It counts the latest days anew and replaces what differs.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.db.models import Min

from apps.accounts.models import Course
from apps.common.cursor import Cursor, cursor_on
from apps.common.ids import first_id
from apps.common.priority import at_first_priority
from apps.common.zones import zone
from apps.conversations.figures.counting import (
    COLUMNS,
    CountedCall,
    FailedAttempt,
    UseCount,
    UsePlace,
    by_day,
    by_provider,
)
from apps.conversations.figures.tables import COUNTS, CourseUse, FiguresMark
from apps.conversations.models import Call, CallAttempt
from apps.quotas.models import Hold

BEHIND = timedelta(minutes=10)  # far longer than anybody waits without holding tokens
BATCH = 5_000  # calls in one transaction
MOST_BATCHES = 40  # in one round, so that a round ends
AGAIN = timedelta(days=3)  # how far back calls are counted again
EARLIER = timedelta(hours=1)  # a call may have its id before the instant that counts

_PROVIDER_KEY = ("provider", "since")
_USE_KEY = ("course_id", "day", "model")


def keep(*, now: datetime) -> int:
    """UseCount the calls that have come since the last time; how many."""
    FiguresMark.objects.get_or_create(pk=1)
    until = _settled_before(now)
    counted = 0
    for _ in range(MOST_BATCHES):
        done = _keep_batch(until)
        counted += done
        if done < BATCH:
            break
    return counted


def _settled_before(now: datetime) -> str:
    """All rows of calls with lower ids are there."""
    oldest = Hold.objects.filter(state=Hold.State.HELD).aggregate(oldest=Min("pk"))["oldest"]
    return min(first_id(now - BEHIND), oldest or "g")


def _keep_batch(until: str) -> int:
    mark = FiguresMark.objects.get(pk=1).counted_to
    calls = [
        CountedCall(*row)
        for row in Call.objects.filter(pk__gt=mark, pk__lt=until).order_by("pk").values_list(*COLUMNS)[:BATCH]
    ]
    if not calls:
        return 0
    last = calls[-1].id
    attempts = _attempts(mark, last)
    use = by_day(calls, zones())
    providers = by_provider(calls, attempts, at={call.id: call.started_at for call in calls})
    # Nobody else may write to a SQLite meanwhile. If another worker was faster, nothing is added.
    at_first_priority(lambda: _store(mark, last, use, providers))
    return len(calls)


def _store(
    mark: str,
    last: str,
    use: Mapping[UsePlace, UseCount],
    providers: Mapping[tuple[str, datetime], tuple[int, int]],
) -> None:
    connection.ensure_connection()
    with transaction.atomic():
        if not FiguresMark.objects.filter(pk=1, counted_to=mark).update(counted_to=last):
            return
        cursor = cursor_on(connection)
        rows = [(*place, *(getattr(count, name) for name in COUNTS)) for place, count in use.items()]
        _add(cursor, "conversations_courseuse", _USE_KEY, COUNTS, rows)
        found = [(name, cursor.instant(since), *counts) for (name, since), counts in providers.items()]
        _add(cursor, "conversations_provideruse", _PROVIDER_KEY, ("answered", "failed"), found)


def _add(
    cursor: Cursor, table: str, key: tuple[str, ...], counts: tuple[str, ...], rows: Sequence[tuple[object, ...]]
) -> None:
    """Add to the rows with these keys, or insert them."""
    added = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in counts)
    columns = (*key, *counts)
    marks = ", ".join(["%s"] * len(columns))
    sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608
    stored = [tuple(value.isoformat() if hasattr(value, "isoformat") else value for value in row) for row in rows]
    cursor.executemany(f"{sql} ON CONFLICT ({', '.join(key)}) DO UPDATE SET {added}", stored)


def _attempts(after: str, last: str) -> list[FailedAttempt]:
    found = CallAttempt.objects.filter(call__gt=after, call__lte=last).order_by()
    return [FailedAttempt(*row) for row in found.values_list("call_id", "provider", "outcome")]


def zones() -> dict[int, ZoneInfo]:
    """The clock of each course."""
    return {pk: zone(name) for pk, name in Course.objects.order_by().values_list("pk", "timezone")}


def count_again(*, now: datetime) -> int:
    """Replace what differs from the calls of the last days; how many rows did."""
    mark = FiguresMark.objects.filter(pk=1).values_list("counted_to", flat=True).first()
    if not mark:
        return 0
    clocks = zones()
    since = now - AGAIN
    counts = by_day(_calls(since - EARLIER, mark), clocks)
    whole = {place: count for place, count in counts.items() if place.day > since.astimezone(clocks[place[0]]).date()}
    kept = {
        UsePlace(use.course_id, use.day, use.model): use
        for use in CourseUse.objects.filter(day__gte=(since - EARLIER * 24).date())
    }
    wrong = [(place, count) for place, count in whole.items() if _differs(kept.get(place), count)]
    if wrong:
        at_first_priority(lambda: _replace(mark, wrong))
    return len(wrong)


def _calls(since: datetime, last: str) -> Iterator[CountedCall]:
    rows = Call.objects.filter(pk__gte=first_id(since), pk__lte=last).order_by("pk").values_list(*COLUMNS)
    return (CountedCall(*row) for row in rows.iterator(chunk_size=BATCH))


def _differs(kept: CourseUse | None, count: UseCount) -> bool:
    """Fewer calls than were kept are those of students who were deleted: what they used stays."""
    if kept is None:
        return True
    return count.calls >= kept.calls and any(getattr(kept, name) != getattr(count, name) for name in COUNTS)


def _replace(mark: str, wrong: list[tuple[UsePlace, UseCount]]) -> None:
    with transaction.atomic():
        if not FiguresMark.objects.filter(pk=1, counted_to=mark).update(counted_to=mark):
            return  # counted on meanwhile; the next round sees to it
        for place, count in wrong:
            values = {name: getattr(count, name) for name in COUNTS}
            CourseUse.objects.update_or_create(**place._asdict(), defaults=values)
