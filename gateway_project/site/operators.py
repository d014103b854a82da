"""The operator's home: the state in a sentence, then providers, models, courses and the system itself."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef
from django.http import HttpRequest
from django.utils.translation import gettext

from apps.accounts.models import Course, Membership, Role
from apps.common.charts import HOUR, Chart, bars, stretch
from apps.common.display import Level
from apps.common.ids import first_id
from apps.conversations.figures.counting import OUTCOMES, UseCount, UsePlace, half_hour
from apps.conversations.figures.reading import providers_since, use_of
from apps.conversations.models import Call
from apps.providers.models import Model, Provider
from gateway_project.health.components import all_but_providers, checkup
from gateway_project.site import system
from gateway_project.site.traffic import MOST_CALLS, Spread, spread
from gateway_project.site.troubles import ProviderTrouble, component_troubles, troubles
from gateway_project.site.use import chart_of, clocks_of
from gateway_project.site.weeks import week_of

HALF_HOURS = 48
DAYS = 14
MOST = 10  # rows of a table
MUCH = 0.05  # of the calls; when more of the last hour's fail, the page says so first
Half = tuple[int, int]  # answers and failures


@dataclass(frozen=True, slots=True)
class HourOfCalls:
    calls: int
    failed: int
    first_bytes: Mapping[str, Spread | None]  # by provider

    @property
    def share(self) -> float:
        return self.failed / self.calls if self.calls else 0.0


@dataclass(frozen=True, slots=True)
class Tick:
    x: int
    level: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderLine:
    provider: Any
    ticks: list[Tick]
    answered: int
    failed: int
    first_byte: Spread | None
    credentials: int

    @property
    def success(self) -> float | None:
        asked = self.answered + self.failed
        return round(100 * self.answered / asked, 1) if asked else None


@dataclass(frozen=True, slots=True)
class ModelLine:
    name: str
    count: UseCount
    courses: int


@dataclass(frozen=True, slots=True)
class WatchedCourse:
    course: Any
    count: UseCount
    lacks: list[str]
    week: Any


def operations(request: HttpRequest, *, now: datetime) -> dict[str, Any]:
    hour = last_hour(now=now)
    providers = list(
        Provider.objects.prefetch_related("credentials__health", "probes", "deployments__health", "deployments__model")
    )
    halves = providers_since(now - timedelta(minutes=30 * (HALF_HOURS - 1)))
    courses = _courses(request)
    days = stretch((now - timedelta(days=DAYS - 1)).date(), now.date())
    use = use_of(clocks_of(courses), since=days[0], is_all=True)
    components = component_troubles(checkup().look(all_but_providers()))
    found = [*components, *troubles(providers, now=now), *_failing(hour)]
    return {
        "troubles": found,
        "hour": hour,
        "percent": f"{100 * hour.share:.1f}",
        "providers": [_provider(one, halves, hour, now=now) for one in providers],
        "providers_on": sum(one.is_enabled for one in providers),
        "models": _models(use, since=days[-7]),
        "courses": _watched(courses, use, since=days[-7]),
        "courses_total": len(courses),
        "system": system.facts(now=now),
        "calls_chart": _calls_chart(halves, now=now),
        "tokens_chart": chart_of(days, {place: count for place, count in use.items() if place.day <= days[-1]}),
    }


def last_hour(*, now: datetime) -> HourOfCalls:
    """Of the newest calls, if there were very many. Reads one range of the calls' key."""
    rows = Call.objects.filter(pk__gte=first_id(now - timedelta(hours=1))).order_by("-pk")
    calls = list(rows.values_list("provider", "status", "first_byte_ms")[:MOST_CALLS])
    waits: dict[str, list[int]] = defaultdict(list)
    for provider, _, first_byte in calls:
        if provider and first_byte is not None:
            waits[provider].append(first_byte)
    failed = sum(OUTCOMES.get(status) == "failed" for _, status, _ in calls)
    return HourOfCalls(len(calls), failed, {name: spread(times) for name, times in waits.items()})


def _failing(hour: HourOfCalls) -> list[ProviderTrouble]:
    if hour.share <= MUCH:
        return []
    return [
        ProviderTrouble(
            gettext("{value} % of the last hour's {calls} calls failed.").format(
                value=f"{100 * hour.share:.1f}", calls=hour.calls
            ),
            None,
            "calls",
        )
    ]


def _provider(
    provider: Any, halves: Mapping[tuple[str, datetime], Half], hour: HourOfCalls, *, now: datetime
) -> ProviderLine:
    starts = half_hours(now)
    mine = [halves.get((provider.name, start), (0, 0)) for start in starts]
    return ProviderLine(
        provider=provider,
        ticks=[_tick(n, start, *half) for n, (start, half) in enumerate(zip(starts, mine, strict=True))],
        answered=sum(answered for answered, _ in mine),
        failed=sum(failed for _, failed in mine),
        first_byte=hour.first_bytes.get(provider.name),
        credentials=sum(one.is_enabled and bool(one.ciphertext) for one in provider.credentials.all()),
    )


def half_hours(now: datetime) -> list[datetime]:
    last = half_hour(now)
    return [last - timedelta(minutes=30 * n) for n in range(HALF_HOURS - 1, -1, -1)]


def _tick(number: int, start: datetime, answered: int, failed: int) -> Tick:
    asked = answered + failed
    level: Level | str = "none"
    if asked:
        level = "good" if failed <= MUCH * asked else "warning" if failed < 0.5 * asked else "bad"
    return Tick(
        4 * number,
        level,
        gettext("{start}: {answered} answered, {failed} failed").format(
            start=f"{start:%H:%M}", answered=answered, failed=failed
        ),
    )


def _models(use: Mapping[UsePlace, UseCount], *, since: Any) -> list[ModelLine]:
    counts: dict[str, UseCount] = defaultdict(UseCount)
    courses: dict[str, set[int]] = defaultdict(set)
    for place, count in use.items():
        if place.day >= since:
            counts[place.model].add(count)
            courses[place.model].add(place.course_id)
    lines = [ModelLine(name, count, len(courses[name])) for name, count in counts.items()]
    return sorted(lines, key=lambda line: -line.count.charged)[:MOST]


def _courses(request: HttpRequest) -> list[Any]:
    allowed = Model.objects.filter(allowed_in__course=OuterRef("pk"))
    taught = Membership.objects.filter(course=OuterRef("pk"), is_active=True, role=Role.INSTRUCTOR)
    rows = admin.site._registry[Course].get_queryset(request).filter(is_open=True)
    return list(rows.annotate(has_models=Exists(allowed), has_instructor=Exists(taught)))


def _watched(courses: Iterable[Any], use: Mapping[UsePlace, UseCount], *, since: Any) -> list[WatchedCourse]:
    """Those that refuse every call first, then those that use most."""
    counts: dict[int, UseCount] = defaultdict(UseCount)
    for place, count in use.items():
        if place.day >= since:
            counts[place.course_id].add(count)
    order = sorted(courses, key=lambda one: (not {"allowance", "models"} & {*_lacks(one)}, -counts[one.pk].charged))
    return [WatchedCourse(one, counts[one.pk], _lacks(one), week_of(one)) for one in order[:MOST]]


def _lacks(course: Any) -> list[str]:
    has = {
        "allowance": getattr(course, "quota_policy", None) is not None,
        "models": course.has_models,
        "instructor": course.has_instructor,
    }
    return [name for name, is_there in has.items() if not is_there]


def _calls_chart(halves: Mapping[tuple[str, datetime], Half], *, now: datetime) -> Chart:
    """By hour: calls that were answered, and those that nobody answered."""
    last = now.replace(minute=0, second=0, microsecond=0)
    hours = [last - timedelta(hours=n) for n in range(23, -1, -1)]
    counts: dict[datetime, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for (provider, start), (answered, failed) in halves.items():
        hour = start.replace(minute=0)
        counts[hour]["good-calls"] += answered
        counts[hour]["bad-calls"] += failed if not provider else 0
    return bars(hours, counts, series=("good-calls", "bad-calls"), unit=HOUR, labels=("answered", "failed"))
