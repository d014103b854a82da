"""Today: the first page of a course."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.template.response import TemplateResponse

from apps.accounts.course_pages import course_page
from apps.accounts.models import Course
from apps.conversations.models import Appeal, Thread
from apps.quotas.models import AllowanceRequest
from gateway_project.site.weeks import week_of

RECENT = 5


@course_page
def page(request: HttpRequest, course: Course) -> TemplateResponse:
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Today",
        "week": week_of(admin.site._registry[Course].get_queryset(request).get(pk=course.pk)),
        "appeals": Appeal.objects.for_staff(request.user).filter(call__course=course).open().count(),
        "requests": AllowanceRequest.objects.for_staff(request.user).filter(membership__course=course).open().count(),
        "threads": Thread.objects.for_staff(request.user)
        .filter(course=course)
        .select_related("membership__user")[:RECENT],
    }
    return TemplateResponse(request, "admin/course/today.html", context)
