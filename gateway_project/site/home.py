"""The first page of the admin."""

from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest

from apps.accounts.models import Course
from apps.accounts.scoping import seen_courses
from apps.common.admin import is_operator
from apps.conversations.models import Appeal, DeadLetter, RuleHit, Thread
from apps.providers.admin.standing import alarms
from apps.quotas.models import AllowanceRequest
from apps.rules.models import Rule
from gateway_project.site.weeks import week_of

RECENT = 8


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Recent activity in the courses that this person sees: a few rows each, all found by index."""
    threads = Thread.objects.all() if is_operator(request) else Thread.objects.filter(course__in=seen_courses(request))
    return {
        **context,
        "courses": [(course, week_of(course)) for course in _courses(request)[:RECENT]],
        "threads": threads.select_related("course", "membership__user")[:RECENT],
        "hits": _latest_hits(request),
        "base_url": request.build_absolute_uri("/v1"),
        "appeals": Appeal.objects.for_staff(request.user).open().count(),
        "requests": AllowanceRequest.objects.for_staff(request.user).open().count(),
        "dead_letters": DeadLetter.objects.count() if is_operator(request) else 0,
        "alarms": alarms() if is_operator(request) else None,
    }


def _latest_hits(request: HttpRequest) -> Any:
    hits = RuleHit.objects.order_by("-pk")
    if not is_operator(request):
        hits = hits.filter(rule__in=list(Rule.objects.for_staff(request.user).values_list("pk", flat=True)))
    latest = list(hits.values_list("pk", flat=True)[:RECENT])
    rows = RuleHit.objects.filter(pk__in=latest).order_by("-pk")
    return rows.select_related("call__membership__user", "call__course")


def _courses(request: HttpRequest) -> Any:
    return admin.site._registry[Course].get_queryset(request).filter(Q(is_open=True))
