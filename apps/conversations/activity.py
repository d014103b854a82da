"""What a rule found, day by day. Reads one range of one index, however many calls there are."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Count, IntegerField, QuerySet, Value

from apps.common.charts import Chart, bars, stretch
from apps.common.ids import first_id
from apps.conversations.models import Call, RuleHit
from apps.rules.models import Rule

DAYS = 30
LATEST = 20
MOST_COUNTED = 20_000  # calls; above this, their students are not counted

# Outcomes in the order in which the bars are stacked: actions above mere observations.
OUTCOMES = ("observed", "warned", "flagged", "guided", "redacted", "blocked")


@dataclass(frozen=True, slots=True)
class Activity:
    """The calls in which a rule was found. `students` is None if there are too many calls to count them."""

    chart: Chart
    calls: int
    students: int | None
    latest: list[RuleHit]


def of_rule(rule: Rule, *, zone: ZoneInfo, now: datetime, days: int = DAYS) -> Activity:
    """The last `days` days, today included, in this time zone."""
    today = now.astimezone(zone).date()
    dates = stretch(today - timedelta(days=days - 1), today)
    counts = _daily(rule, dates, zone)
    chart = bars(dates, counts, series=_seen(counts))
    recent = RuleHit.objects.filter(rule=rule, call__gte=first_id(_midnight(dates[0], zone)))
    return Activity(chart, chart.total, _students(recent, chart.total), _latest(rule))


def _daily(rule: Rule, dates: Sequence[date], zone: ZoneInfo) -> dict[date, dict[str, int]]:
    """Calls by day and outcome, in one query. Ids of calls are ordered by time."""
    parts: list[Any] = [_one_day(rule, number, day, zone) for number, day in enumerate(dates)]
    counts: dict[date, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for number, stage, action, calls in parts[0].union(*parts[1:], all=True):
        counts[dates[number]][RuleHit(stage=stage, action=action).outcome] += calls
    return counts


def _one_day(rule: Rule, number: int, day: date, zone: ZoneInfo) -> Any:
    since, until = _midnight(day, zone), _midnight(day + timedelta(days=1), zone)
    hits = RuleHit.objects.filter(rule=rule, call__gte=first_id(since), call__lt=first_id(until))
    numbered = hits.order_by().annotate(day=Value(number, output_field=IntegerField()))
    return numbered.values_list("day", "stage", "action").annotate(calls=Count("call", distinct=True))


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def _seen(counts: dict[date, dict[str, int]]) -> list[str]:
    """Outcomes that occur; the legend leaves out the others."""
    there = {name for day in counts.values() for name in day}
    return [name for name in OUTCOMES if name in there]


def _students(hits: QuerySet[RuleHit], calls: int) -> int | None:
    if calls > MOST_COUNTED:
        return None
    return int(Call.objects.filter(pk__in=hits.values("call")).aggregate(n=Count("membership", distinct=True))["n"])


def _latest(rule: Rule) -> list[RuleHit]:
    hits = RuleHit.objects.filter(rule=rule).select_related("call__membership__user", "call__course")
    newest = list(hits.order_by("-call_id", "id")[: 3 * LATEST])
    first = {hit.call_id: hit for hit in reversed(newest)}
    return [hit for hit in newest if first[hit.call_id] is hit][:LATEST]
