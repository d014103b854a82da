"""Today: the first page of a course. What waits, this week in figures, the latest conversations and the rules."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Count, Exists, Max, OuterRef, Q, Subquery
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext

from apps.accounts.course_pages import course_page
from apps.accounts.models import ApiKey, Course, Membership, Role
from apps.accounts.permissions import Verb
from apps.accounts.scoping import may
from apps.common.ids import first_id
from apps.common.zones import zone
from apps.conversations import lockouts
from apps.conversations.models import Call, RuleHit, Thread
from apps.providers.models import Model
from apps.quotas.standing import MemberStanding
from apps.rules.models import Rule
from gateway_project.site.forecasts import forecast
from gateway_project.site.needs import needs_of
from gateway_project.site.use import figures_of, reconciled
from gateway_project.site.weeks import limit_of, week_of

RECENT = 5
RULES = 6
HIT_DAYS = 7
UNUSED = timedelta(days=2)  # since the key was issued


@dataclass(frozen=True, slots=True)
class RuleLine:
    """A rule with the calls in which it was found, by day."""

    rule: Rule
    hits: Sequence[int]

    @property
    def total(self) -> int:
        return sum(self.hits)


@course_page
def page(request: HttpRequest, course: Course) -> TemplateResponse:
    now = timezone.now()
    row = row_of(request, course, now=now)
    standings = lockouts.standings(course, now=now)
    rules = list(Rule.objects.filter(course=course).annotate(since=Max("versions__at")))
    hits = _hits(course, rules, now=now)
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": gettext("Today"),
        "needs": needs_of(request, row, standings=standings, rules=rules, hits=hits, now=now),
        "is_new": not row.has_calls,
        "students": len(standings),
        "base_url": request.build_absolute_uri("/v1"),
        **_week(row, standings, now=now),
        "threads": _threads(request, course),
        "rules": _lines(rules, hits),
    }
    return TemplateResponse(request, "admin/course/today.html", context)


def row_of(request: HttpRequest, course: Course, *, now: datetime) -> Any:
    """The course with its week, with what it lacks, and with how many students have no key or have not used theirs."""
    allowed = Model.objects.offered_to([course.pk]).filter(allowed_in__course=OuterRef("pk"))
    keys = ApiKey.objects.filter(membership=OuterRef("pk"), revoked_at=None)
    students = Membership.objects.filter(course=OuterRef("pk"), is_active=True, role=Role.STUDENT).order_by()
    waiting = Exists(keys.filter(created_at__lte=now - UNUSED))
    unused = students.filter(waiting, ~Exists(keys.exclude(last_used_at=None)))
    rows = admin.site._registry[Course].get_queryset(request)
    return rows.annotate(
        has_models=Exists(allowed),
        has_calls=Exists(Call.objects.filter(course=OuterRef("pk"))),
        without_key=_count(students.filter(~Exists(keys))),
        unused_keys=_count(unused),
    ).get(pk=course.pk)


def _count(rows: Any) -> Subquery:
    return Subquery(rows.values("course").annotate(count=Count("pk")).values("count"))


def _week(course: Any, standings: Sequence[MemberStanding], *, now: datetime) -> dict[str, Any]:
    figures = figures_of(course, now=now)
    has_policy = getattr(course, "quota_policy", None) is not None
    week = figures.week
    limit = limit_of(course) if has_policy else 0
    ahead = forecast(used=course.used or 0, limit=limit, starts_at=week.starts_at, ends_at=week.ends_at, now=now)
    return {
        "bar": week_of(course),
        "days_left": (week.ends_at - now).days,
        "forecast": ahead if has_policy else None,
        "forecast_words": ahead.words(zone(course.timezone)),
        "active": sum(one.state != "unused" for one in standings),
        "figures": figures,
        "count": figures.count,
        "sums": reconciled(course, figures),
    }


def _hits(course: Course, rules: Sequence[Rule], *, now: datetime) -> dict[int, list[int]]:
    """Calls in which each rule was found, on the last days of the course's clock. Reads a range of the hits' index."""
    midnight = now.astimezone(zone(course.timezone)).replace(hour=0, minute=0, second=0, microsecond=0)
    starts = [midnight - timedelta(days=n) for n in range(HIT_DAYS - 1, -1, -1)]
    ends = [*starts[1:], now + timedelta(days=1)]
    days = {
        f"day{n}": Count("call", filter=Q(call__gte=first_id(start), call__lt=first_id(end)), distinct=True)
        for n, (start, end) in enumerate(zip(starts, ends, strict=True))
    }
    found = RuleHit.objects.filter(rule__in=[rule.pk for rule in rules], call__gte=first_id(starts[0])).order_by()
    rows = found.values_list("rule").annotate(**days)
    return {rule: counts for rule, *counts in rows}


def _lines(rules: Sequence[Rule], hits: dict[int, list[int]]) -> list[RuleLine]:
    """The rules in use that were found most often."""
    used = [rule for rule in rules if rule.stage != Rule.Stage.DRAFT]
    lines = [RuleLine(rule, hits.get(rule.pk, [0] * HIT_DAYS)) for rule in used]
    return sorted(lines, key=lambda line: -line.total)[:RULES]


def _threads(request: HttpRequest, course: Course) -> list[tuple[Thread, list[str]]]:
    """The latest conversations, with the names of the rules that were found in them."""
    if not may(request, Verb.SEE, "Thread", course.pk):
        return []
    threads = list(Thread.objects.filter(course=course).select_related("membership__user")[:RECENT])
    marks: dict[int, list[str]] = defaultdict(list)
    found = RuleHit.objects.filter(call__exchange__thread__in=[thread.pk for thread in threads]).order_by()
    for thread, name in found.values_list("call__exchange__thread", "name").distinct():
        marks[thread].append(name)
    return [(thread, marks[thread.pk]) for thread in threads]
