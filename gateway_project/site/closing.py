"""Closing and opening a course: what stops for whom is said first, and nothing is deleted."""

import json

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from apps.accounts.course_pages import course_page
from apps.accounts.models import Course, Membership, Role
from apps.accounts.permissions import Verb
from apps.accounts.scoping import may
from apps.quotas.ledger.booking import week_of
from apps.quotas.models import Hold, WeeklyUsage


def may_close(request: HttpRequest, course: Course) -> bool:
    return may(request, Verb.ACT, "Course", course.pk)


@course_page
def close_page(request: HttpRequest, course: Course) -> HttpResponse:
    """Asks once, with what stops; closes when confirmed."""
    if not may_close(request, course):
        raise PermissionDenied
    if request.method == "POST":
        if Course.objects.filter(pk=course.pk, is_open=True).update(is_open=False):
            messages.success(
                request, gettext("{course} is closed. Students cannot ask any more.").format(course=course)
            )
        else:
            messages.warning(request, gettext("{course} was closed before; nothing was changed.").format(course=course))
        return HttpResponseRedirect(reverse("admin:course_settings", args=[course.slug]))
    context = {
        **admin.site.each_context(request),
        "title": gettext("Close the course"),
        "course": course,
        "students": _students(course),
        "answers": open_answers(course),
    }
    return TemplateResponse(request, "admin/course/close.html", context)


@require_POST
@course_page
def open_course(request: HttpRequest, course: Course) -> HttpResponse:
    if not may_close(request, course):
        raise PermissionDenied
    if Course.objects.filter(pk=course.pk, is_open=False).update(is_open=True):
        messages.success(
            request, gettext("{course} is open. Students can ask within two seconds.").format(course=course)
        )
    else:
        messages.warning(request, gettext("{course} was open before; nothing was changed.").format(course=course))
    return HttpResponseRedirect(reverse("admin:course_settings", args=[course.slug]))


def _students(course: Course) -> int:
    return Membership.objects.filter(course=course, is_active=True, role=Role.STUDENT).count()


def open_answers(course: Course) -> int:
    """Answers that are being given in this course right now. Reads the index of open holds, which are few."""
    start = week_of(course, now=timezone.now()).starts_at
    week = WeeklyUsage.objects.filter(kind=WeeklyUsage.Kind.COURSE, account=course.pk, starts_at=start).first()
    if week is None or not week.held:
        return 0
    drawn = Hold.objects.filter(state=Hold.State.HELD).order_by().values_list("usage_ids", flat=True)
    return sum(week.pk in json.loads(ids) for ids in drawn.iterator())
