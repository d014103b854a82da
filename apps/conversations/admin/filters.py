"""Filters of the lists of calls and conversations."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest

from apps.accounts.scoping import seen_courses
from apps.common.admin import ChoiceFilter, SinceFilter, is_operator
from apps.common.ids import first_id
from apps.conversations.models import RuleHit
from apps.providers.models import Model, Provider
from apps.rules.models import Rule


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
    title = "rule"
    parameter_name = "rule"

    def options(self, request: HttpRequest) -> list[tuple[int, str]]:
        rules = Rule.objects.for_staff(request.user).select_related("course")
        return [(rule.pk, f"{rule.name} ({rule.place})") for rule in rules]

    def narrow(self, queryset: Any, value: str, request: HttpRequest) -> Any:
        return queryset.filter(pk__in=RuleHit.objects.filter(rule=int(value)).values("call"))


class ThreadRuleFilter(RuleFilter):
    def narrow(self, queryset: Any, value: str, request: HttpRequest) -> Any:
        return queryset.filter(pk__in=RuleHit.objects.filter(rule=int(value)).values("call__exchange__thread"))


class ModelFilter(ChoiceFilter):
    title = "model"
    parameter_name = "model_name"

    def options(self, request: HttpRequest) -> list[tuple[str, str]]:
        models = Model.objects.all()
        if not is_operator(request):
            models = models.filter(allowed_in__course__in=seen_courses(request)).distinct()
        return [(name, name) for name in models.values_list("name", flat=True)]

    def narrow(self, queryset: Any, value: str, request: HttpRequest) -> Any:
        return queryset.filter(model=value)


class ProviderFilter(ChoiceFilter):
    title = "provider"
    parameter_name = "provider_name"

    def options(self, request: HttpRequest) -> list[tuple[str, str]]:
        names = Provider.objects.values_list("name", flat=True) if is_operator(request) else []
        return [(name, name) for name in names]

    def has_output(self) -> bool:
        return bool(self.lookup_choices)

    def narrow(self, queryset: Any, value: str, request: HttpRequest) -> Any:
        return queryset.filter(provider=value)
