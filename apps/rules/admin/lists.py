"""The list of rules: what each found in the last week, sorted by what needs a look.

Hits and appeals belong to a layer above, so they are reached through the relations of `Rule`. Every count reads a range
of an index, and at most `MOST_HITS` rows of it for a rule.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ORDER_VAR
from django.db.models import Case, Count, Exists, IntegerField, OuterRef, Q, QuerySet, Value, When
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from unfold.views import ChangeList

from apps.accounts.scoping import CourseScoped
from apps.common.charts import stretch
from apps.common.display import NOTHING, SPACE, number, sparkline
from apps.common.ids import first_id
from apps.common.translation import lazy as _
from apps.rules.models import Rule

DAYS = 7
MOST_HITS = 10_000  # of one rule in the last week; above, they are not counted by day


@dataclass(frozen=True, slots=True)
class RuleWeek:
    """The calls in which a rule was found, by day. Without days if there are more than are counted."""

    days: tuple[int, ...] = ()
    students: int = 0
    is_busy: bool = False

    @property
    def total(self) -> int:
        return sum(self.days)


def _related(name: str) -> Any:
    relation: Any = Rule._meta.get_field(name)
    return relation.related_model._default_manager


def _its(name: str) -> Any:
    """The rows of this relation that belong to the rule of an outer query."""
    return _related(name).filter(rule=OuterRef("pk")).order_by()


def by_need(rules: QuerySet[Any], *, now: datetime) -> QuerySet[Any]:
    """With `need`, by which rules are sorted: open appeals, then what waits for a decision, then what acts."""
    recent = Exists(_its("hits").filter(call__gte=first_id(now - timedelta(days=DAYS))))
    watches = Q(stage__in=(Rule.Stage.OBSERVE, Rule.Stage.WARN))
    acts = Q(stage=Rule.Stage.ENFORCE)
    sorted_by: QuerySet[Any] = rules.annotate(
        need=Case(
            When(Exists(_its("appeals").filter(state="open")), then=Value(0)),
            When(watches & Q(recent), then=Value(1)),
            When(acts & Q(recent), then=Value(2)),
            When(watches, then=Value(3)),
            When(acts, then=Value(4)),
            default=Value(5),
            output_field=IntegerField(),
        )
    )
    return sorted_by


def weeks_of(rules: Sequence[Rule], *, now: datetime) -> dict[int, RuleWeek]:
    """The last seven days of these rules, today included, on the active clock."""
    ids = [rule.pk for rule in rules]
    today = timezone.localtime(now).date()
    days = stretch(today - timedelta(days=DAYS - 1), today)
    since = first_id(_midnight(days[0]))
    more = Exists(_its("hits").filter(call__gte=since).values("pk")[MOST_HITS : MOST_HITS + 1])
    busy = set(Rule.objects.filter(pk__in=ids).filter(more).order_by().values_list("pk", flat=True))
    found = _counted([pk for pk in ids if pk not in busy], days, since)
    return {pk: RuleWeek(is_busy=True) if pk in busy else found.get(pk, RuleWeek((0,) * DAYS)) for pk in ids}


def _counted(ids: Sequence[int], days: Sequence[date], since: str) -> dict[int, RuleWeek]:
    counts = {f"day{n}": Count("call", filter=_on(day), distinct=True) for n, day in enumerate(days)}
    hits = _related("hits").filter(rule__in=ids, call__gte=since).order_by().values("rule")
    rows = hits.annotate(**counts, students=Count("call__membership", distinct=True))
    return {row["rule"]: RuleWeek(tuple(row[name] for name in counts), row["students"]) for row in rows}


def _on(day: date) -> Q:
    return Q(call__gte=first_id(_midnight(day)), call__lt=first_id(_midnight(day + timedelta(days=1))))


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime(day.year, day.month, day.day))


class RuleChangeList(ChangeList):
    """Sorted by need, unless a column is chosen."""

    def get_ordering(self, request: HttpRequest, queryset: Any) -> Any:
        chosen = super().get_ordering(request, queryset)
        return chosen if ORDER_VAR in self.params else ["need", *chosen]


class RuleList(CourseScoped):
    """The columns about the last week."""

    list_per_page = 25

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return by_need(super().get_queryset(request), now=timezone.now())

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:
        return RuleChangeList

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        rules = list(changelist.result_list)
        weeks, appeals = weeks_of(rules, now=timezone.now()), _open_appeals(rules)
        for rule in rules:
            rule.week, rule.open_appeals = weeks[rule.pk], appeals.get(rule.pk, 0)
        changelist.result_list = rules
        return changelist

    @admin.display(description=_("last 7 days"))
    def week_hits(self, rule: Any) -> SafeString:
        week: RuleWeek = rule.week
        if week.is_busy:
            return format_html(
                '<span class="stoa-number">{}</span>', gettext("{most}+ hits").format(most=number(MOST_HITS))
            )
        bars = sparkline(week.days, label=gettext("calls by day")) if week.total else ""
        return format_html('<span class="stoa-number">{}</span> {}', number(week.total), bars)

    @admin.display(description=_("students"))
    def week_students(self, rule: Any) -> str:
        return NOTHING if rule.week.is_busy else number(rule.week.students)

    @admin.display(description=_("needs a look"))
    def needs(self, rule: Any) -> Any:
        if rule.open_appeals:
            appeals = f"{reverse('admin:conversations_appeal_changelist')}?state__exact=open&q={rule.name}"
            words = ngettext(
                "{open_appeals}{space}open appeal", "{open_appeals}{space}open appeals", rule.open_appeals
            ).format(open_appeals=rule.open_appeals, space=SPACE)
            return format_html('<a class="stoa-link" href="{}">{}</a>', appeals, words)
        if rule.need == 1:
            page = reverse("admin:rules_rule_change", args=[rule.pk])
            return format_html('<a class="stoa-link" href="{}">{}</a>', page, gettext("Decide: is this meant?"))
        return NOTHING


def _open_appeals(rules: Sequence[Rule]) -> dict[int, int]:
    rows = _related("appeals").filter(rule__in=[rule.pk for rule in rules], state="open").order_by()
    return dict(rows.values_list("rule").annotate(count=Count("pk")))
