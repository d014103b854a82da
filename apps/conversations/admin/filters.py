"""Filters of the lists of calls and conversations."""

from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef
from django.http import HttpRequest
from django.utils.translation import gettext

from apps.accounts.course_pages import course_of, lists_course
from apps.accounts.models import Membership
from apps.accounts.scoping import seen_courses
from apps.common.admin import ChoiceFilter, SinceFilter, is_operator
from apps.common.ids import first_id
from apps.common.translation import lazy as _
from apps.conversations.models import MOST_MEMBERS, Exchange, RuleHit
from apps.providers.models import Model, Provider
from apps.rules.models import Rule

MOST_HITS = 2_000  # the latest, where a filter looks them up first
LONGEST_ID = 18  # digits


class CallSinceFilter(SinceFilter):
    """Ids are ordered by time, so this is a range of the primary key."""

    def since(self, queryset: Any, start: datetime) -> Any:
        return queryset.filter(pk__gte=first_id(start))

    def before(self, queryset: Any, end: datetime) -> Any:
        return queryset.filter(pk__lt=first_id(end))


class ThreadSinceFilter(SinceFilter):
    def since(self, queryset: Any, start: datetime) -> Any:
        return queryset.filter(last_at__gte=start)

    def before(self, queryset: Any, end: datetime) -> Any:
        return queryset.filter(last_at__lt=end)


class RuleFilter(ChoiceFilter):
    title = _("rule")
    parameter_name = "rule"

    def options(self, request: HttpRequest) -> list[tuple[int, str]]:
        rules = Rule.objects.for_staff(request.user).select_related("course")
        return [(rule.pk, f"{rule.name} ({rule.place})") for rule in rules]

    def narrow(self, queryset: Any, value: str, request: HttpRequest) -> Any:
        return queryset.filter(pk__in=RuleHit.objects.filter(rule=int(value)).values("call"))


class ThreadRuleFilter(RuleFilter):
    def narrow(self, queryset: Any, value: str, request: HttpRequest) -> Any:
        return _latest(queryset, RuleHit.objects.filter(rule=int(value)).order_by("-call"))


class ThreadHitsFilter(ChoiceFilter):
    title = _("rule hits")
    parameter_name = "hits"

    def options(self, request: HttpRequest) -> list[tuple[str, str]]:
        return [("yes", gettext("Only with rule hits"))]

    def narrow(self, queryset: Any, value: str, request: HttpRequest) -> Any:
        """In a course, all; over several, those of the latest hits."""
        if lists_course(request):
            hits = RuleHit.objects.filter(call__exchange__thread=OuterRef("pk"))
            return queryset.filter(Exists(hits))
        return _latest(queryset, RuleHit.objects.order_by("-pk"))


def _latest(threads: Any, hits: Any) -> Any:
    """The conversations of the latest hits, a bounded number."""
    calls = list(hits.values_list("call", flat=True)[:MOST_HITS])
    return threads.filter(pk__in=list(Exchange.objects.filter(call__in=calls).values_list("thread", flat=True)))


class StudentFilter(ChoiceFilter):
    """Offers the students of a course; over several courses, the chosen one."""

    title = _("student")
    parameter_name = "student"

    def options(self, request: HttpRequest) -> list[tuple[int, str]]:
        seen = Membership.objects.for_staff(request.user).select_related("user")
        chosen = self.used_parameters.get(self.parameter_name) or ""
        rows = list(seen.filter(course=course_of(request))[:MOST_MEMBERS]) if lists_course(request) else []
        if chosen.isascii() and chosen.isdecimal() and len(chosen) < LONGEST_ID:
            rows += seen.filter(pk=int(chosen))
        return list({member.pk: member.person for member in rows}.items())

    def has_output(self) -> bool:
        return bool(self.lookup_choices or self.value())

    def narrow(self, queryset: Any, value: str, request: HttpRequest) -> Any:
        return queryset.filter(membership_id=int(value))


class ModelFilter(ChoiceFilter):
    title = _("model")
    parameter_name = "model_name"

    def options(self, request: HttpRequest) -> list[tuple[str, str]]:
        models = Model.objects.all()
        if not is_operator(request):
            models = models.filter(allowed_in__course__in=seen_courses(request)).distinct()
        return [(name, name) for name in models.values_list("name", flat=True)]

    def narrow(self, queryset: Any, value: str, request: HttpRequest) -> Any:
        return queryset.filter(model=value)


class ProviderFilter(ChoiceFilter):
    title = _("provider")
    parameter_name = "provider_name"

    def options(self, request: HttpRequest) -> list[tuple[str, str]]:
        names = Provider.objects.values_list("name", flat=True) if is_operator(request) else []
        return [(name, name) for name in names]

    def has_output(self) -> bool:
        return bool(self.lookup_choices)

    def narrow(self, queryset: Any, value: str, request: HttpRequest) -> Any:
        return queryset.filter(provider=value)
