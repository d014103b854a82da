"""The use of a course: this week in one row, and tokens by day and model."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Q, Sum
from django.utils.translation import gettext

from apps.accounts.models import Course
from apps.common.charts import Chart, bars, stretch
from apps.common.translation import lazy as _
from apps.common.zones import zone
from apps.conversations.figures.counting import UseCount, UsePlace, total
from apps.conversations.figures.reading import use_of
from apps.quotas.ledger.booking import week_of
from apps.quotas.models import Boost, LedgerEntry, WeeklyUsage
from apps.quotas.weeks import Week

MOST_MODELS = 6  # with a color of their own; the last stands for all others
OTHERS = _("other models")


@dataclass(frozen=True, slots=True)
class Band:
    """A period on a chart."""

    x: float
    width: float
    title: str


@dataclass(frozen=True, slots=True)
class CourseFigures:
    """Two weeks of a course up to the end of the running one. `this_week` are the counts by day since it began."""

    week: Week
    this_week: list[tuple[date, UseCount]]
    chart: Chart
    bands: list[Band]

    @property
    def count(self) -> UseCount:
        return total(count for _, count in self.this_week)

    @property
    def calls_by_day(self) -> list[int]:
        return [count.calls for _, count in self.this_week]


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What the ledger says was used this week, and of what it consists."""

    used: int
    calls: int
    corrected: int

    @property
    def rest(self) -> int:
        """What students used who have been deleted since."""
        return self.used - self.calls - self.corrected


def figures_of(course: Course, *, now: datetime) -> CourseFigures:
    clock, week = zone(course.timezone), week_of(course, now=now)
    first, end = (at.astimezone(clock).date() for at in (week.starts_at, week.ends_at))
    days = stretch(first - timedelta(days=7), end - timedelta(days=1))
    use = use_of({course.pk: clock}, since=days[0])
    by_day = {day: total(count for place, count in use.items() if place.day == day) for day in days}
    today = now.astimezone(clock).date()
    return CourseFigures(
        week=week,
        this_week=[(day, count) for day, count in by_day.items() if first <= day <= today],
        chart=chart_of(days, use),
        bands=_bands(course, days, clock),
    )


def chart_of(days: list[date], use: Mapping[UsePlace, UseCount]) -> Chart:
    """Tokens by day, stacked by model: the most used ones by name."""
    names = _by_use(use)
    series = {name: f"series{min(number, MOST_MODELS - 1)}" for number, name in enumerate(names)}
    tokens: dict[date, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for place, count in use.items():
        tokens[place.day][series[place.model]] += count.charged
    labels = names if len(names) <= MOST_MODELS else [*names[: MOST_MODELS - 1], OTHERS]
    return bars(days, tokens, series=list(dict.fromkeys(series.values())), labels=labels)


def _by_use(use: Mapping[UsePlace, UseCount]) -> list[str]:
    tokens: dict[str, int] = defaultdict(int)
    for place, count in use.items():
        tokens[place.model] += count.charged
    return sorted((name for name, charged in tokens.items() if charged), key=lambda name: -tokens[name]) + sorted(
        name for name, charged in tokens.items() if not charged
    )


def _bands(course: Course, days: list[date], clock: ZoneInfo) -> list[Band]:
    """The boosts, which stand for deadlines."""
    begin = datetime(days[0].year, days[0].month, days[0].day, tzinfo=clock)
    end = begin + timedelta(days=len(days))
    boosts = Boost.objects.filter(course=course, starts_at__lt=end, ends_at__gt=begin).order_by("starts_at")
    return [band for boost in boosts if (band := _band(boost, begin, end, len(days))) is not None]


def _band(boost: Boost, begin: datetime, end: datetime, days: int) -> Band | None:
    last = min(boost.ends_at, boost.ended_at or boost.ends_at, end)
    first = max(boost.starts_at, begin)
    if last <= first:
        return None
    whole = (end - begin).total_seconds()
    x, width = ((at.total_seconds() / whole) * 720 for at in (first - begin, last - first))
    return Band(
        round(x, 1),
        round(width, 1),
        gettext("×{shown_factor} until {last}: {reason}").format(
            shown_factor=boost.shown_factor, last=f"{last.astimezone(begin.tzinfo):%a %H:%M}", reason=boost.reason
        ),
    )


def reconciled(course: Any, figures: CourseFigures) -> Reconciled:
    """`course` knows what it has `used` this week."""
    if course.used == figures.count.charged:
        return Reconciled(course.used, figures.count.charged, 0)
    # As in the condition of the index, which is not used otherwise.
    by_staff = Q(kind="grant") | Q(kind="correct") | Q(kind="change")
    weeks = WeeklyUsage.objects.filter(
        kind=WeeklyUsage.Kind.COURSE, account=course.pk, starts_at=figures.week.starts_at
    )
    entries = LedgerEntry.objects.filter(by_staff, usage__in=weeks).order_by()
    corrected = entries.aggregate(sum=Sum("used_delta"))["sum"]
    return Reconciled(course.used or 0, figures.count.charged, corrected or 0)


def by_day_of(course: Course, use: Mapping[UsePlace, UseCount], *, now: datetime) -> list[UseCount]:
    """The days of the course's running week, today included."""
    clock = zone(course.timezone)
    first, today = week_of(course, now=now).starts_at.astimezone(clock).date(), now.astimezone(clock).date()
    days = {day: UseCount() for day in stretch(first, today)}
    for place, count in use.items():
        if place.course_id == course.pk and place.day in days:
            days[place.day].add(count)
    return list(days.values())


def clocks_of(courses: Iterable[Course]) -> dict[int, ZoneInfo]:
    return {course.pk: zone(course.timezone) for course in courses}
