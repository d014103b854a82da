"""Reading figures: what was kept, and the calls that have come since."""

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Subquery

from apps.common.ids import first_id
from apps.conversations.figures.counting import (
    COLUMNS,
    CountedCall,
    FailedAttempt,
    UseCount,
    UsePlace,
    by_day,
    by_provider,
    half_hour,
)
from apps.conversations.figures.keeping import EARLIER
from apps.conversations.figures.tables import COUNTS, CourseUse, FiguresMark, ProviderUse
from apps.conversations.models import Call, CallAttempt


def use_of(zones: Mapping[int, ZoneInfo], *, since: date, is_all: bool = False) -> dict[UsePlace, UseCount]:
    """The use of these courses by day and model, from a day on. `is_all`: these are all courses there are."""
    courses = None if is_all else zones.keys()
    counts, mark = _kept(courses, since)
    for place, count in by_day(_later(courses, since, mark), zones).items():
        if place.day >= since:
            counts.setdefault(place, UseCount()).add(count)
    return counts


def _kept(courses: Collection[int] | None, since: date) -> tuple[dict[UsePlace, UseCount], str]:
    """What is kept, and up to which call: read in one statement, between which a worker cannot come."""
    mark = FiguresMark.objects.filter(pk=1).values("counted_to")
    rows = CourseUse.objects.filter(day__gte=since).order_by()
    if courses is not None:
        rows = rows.filter(course__in=courses)
    found = list(rows.values_list("course_id", "day", "model", *COUNTS, Subquery(mark)))
    if not found:
        return {}, mark.values_list("counted_to", flat=True).first() or ""
    return {UsePlace(*row[:3]): UseCount(*row[3:-1]) for row in found}, found[0][-1]


def _later(courses: Collection[int] | None, since: date, mark: str) -> list[CountedCall]:
    """The calls that are not counted yet. One range of ids, which is short while a worker counts."""
    earliest = datetime(since.year, since.month, since.day, tzinfo=UTC) - timedelta(days=1) - EARLIER
    calls = Call.objects.filter(pk__gt=max(mark, first_id(earliest))).order_by()
    if courses is not None:
        calls = calls.filter(course__in=courses)
    return [CountedCall(*row) for row in calls.values_list(*COLUMNS)]


def providers_since(since: datetime) -> dict[tuple[str, datetime], tuple[int, int]]:
    """Answers and failures by provider and half hour, as in `ProviderUse`."""
    since = half_hour(since)
    mark = FiguresMark.objects.filter(pk=1).values("counted_to")
    rows = list(
        ProviderUse.objects.filter(since__gte=since)
        .order_by()
        .values_list("provider", "since", "answered", "failed", Subquery(mark))
    )
    until = rows[0][-1] if rows else mark.values_list("counted_to", flat=True).first() or ""
    counts = {(provider, at): (answered, failed) for provider, at, answered, failed, _ in rows}
    for key, (answered, failed) in _later_providers(max(until, first_id(since - EARLIER))).items():
        before = counts.get(key, (0, 0))
        if key[1] >= since:
            counts[key] = before[0] + answered, before[1] + failed
    return counts


def _later_providers(mark: str) -> dict[tuple[str, datetime], tuple[int, int]]:
    calls = [CountedCall(*row) for row in Call.objects.filter(pk__gt=mark).order_by().values_list(*COLUMNS)]
    attempts = CallAttempt.objects.filter(call__gt=mark).order_by().values_list("call_id", "provider", "outcome")
    at = {call.id: call.started_at for call in calls}
    return by_provider(calls, [FailedAttempt(*row) for row in attempts], at=at)
