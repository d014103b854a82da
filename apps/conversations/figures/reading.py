"""Reading figures: what was kept, and the calls that have come since."""

from collections.abc import Collection, Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from apps.common.ids import first_id
from apps.conversations.figures.counting import COLUMNS, Count, CountedCall, Place, by_day
from apps.conversations.figures.keeping import EARLIER
from apps.conversations.figures.tables import COUNTS, CourseUse, FiguresMark
from apps.conversations.models import Call

TRIES = 3


def use_of(zones: Mapping[int, ZoneInfo], *, since: date, is_all: bool = False) -> dict[Place, Count]:
    """The use of these courses by day and model, from a day on. `is_all`: these are all courses there are."""
    for _ in range(TRIES):
        mark = _mark()
        counts = _kept(None if is_all else zones.keys(), since)
        for place, count in by_day(_later(None if is_all else zones.keys(), since, mark), zones).items():
            if place.day >= since:
                counts.setdefault(place, Count()).add(count)
        if _mark() == mark:  # otherwise a call may have been counted twice, or not at all
            break
    return counts


def _mark() -> str:
    return FiguresMark.objects.filter(pk=1).values_list("counted_to", flat=True).first() or ""


def _kept(courses: Collection[int] | None, since: date) -> dict[Place, Count]:
    rows = CourseUse.objects.filter(day__gte=since).order_by()
    if courses is not None:
        rows = rows.filter(course__in=courses)
    return {Place(*row[:3]): Count(*row[3:]) for row in rows.values_list("course_id", "day", "model", *COUNTS)}


def _later(courses: Collection[int] | None, since: date, mark: str) -> list[CountedCall]:
    """The calls that are not counted yet. One range of ids, which is short while a worker counts."""
    earliest = datetime(since.year, since.month, since.day, tzinfo=ZoneInfo("UTC")) - timedelta(days=1) - EARLIER
    calls = Call.objects.filter(pk__gt=max(mark, first_id(earliest))).order_by()
    if courses is not None:
        calls = calls.filter(course__in=courses)
    return [CountedCall(*row) for row in calls.values_list(*COLUMNS)]
