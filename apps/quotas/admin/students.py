"""Boosts of a course, and the addresses at which pages of students were before courses had addresses of their own."""

from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext

from apps.accounts.models import Course
from apps.quotas import decisions
from apps.quotas.admin.access import changed_course, may_change, render, seen_course, seen_member, user_of
from apps.quotas.admin.bulk import decide_page
from apps.quotas.admin.forms import BoostForm
from apps.quotas.models import Boost, QuotaPolicy


def urls() -> list[URLPattern]:
    """Addresses to add to those of the allowance pages."""
    wrap = admin.site.admin_view
    return [
        path("course/<int:course_id>/", wrap(to_students), name="quotas_students"),
        path("student/<int:member_id>/", wrap(to_student), name="quotas_student"),
        path("course/<int:course_id>/boosts/", wrap(boosts_page), name="quotas_boosts"),
        path("course/<int:course_id>/<slug:action>/", wrap(decide_page), name="quotas_decide"),
        path("boost/<int:boost_id>/end/", wrap(end_boost), name="quotas_end_boost"),
    ]


def to_students(request: HttpRequest, course_id: int) -> HttpResponse:
    course = seen_course(request, course_id)
    return _moved(request, reverse("admin:course_students", args=[course.slug]))


def to_student(request: HttpRequest, member_id: int) -> HttpResponse:
    member = seen_member(request, member_id)
    return _moved(request, reverse("admin:course_student", args=[member.course.slug, member.pk]))


def _moved(request: HttpRequest, address: str) -> HttpResponse:
    return HttpResponseRedirect(f"{address}?{request.GET.urlencode()}" if request.GET else address)


# Boosts


def boosts_page(request: HttpRequest, course_id: int) -> HttpResponse:
    """The boosts of a course, and a form for a new one."""
    course = seen_course(request, course_id)
    now = timezone.now()
    with timezone.override(ZoneInfo(course.timezone)):
        form = BoostForm(request.POST or None, initial={"starts_at": now}, now=now)
        if request.method == "POST":
            changed_course(request, course_id)
            if form.is_valid():
                if _is_set(course, form.cleaned_data):
                    messages.warning(request, gettext("Nothing was changed: there is such a boost already."))
                    return HttpResponseRedirect(reverse("admin:quotas_boosts", args=[course.pk]))
                try:
                    decisions.give(Boost(course=course, **form.cleaned_data), by=user_of(request), now=now)
                except ValidationError as error:
                    form.add_error(None, error.messages)
                else:
                    messages.success(request, gettext("The boost is set. Live within two seconds of its start."))
                    return HttpResponseRedirect(reverse("admin:quotas_boosts", args=[course.pk]))
        boosts = course.boosts.select_related("author", "course")[:50]
        context = {
            "title": gettext("Boosts in {course}").format(course=course),
            "course": course,
            "original": course,
            "policy": QuotaPolicy.objects.filter(course=course).first(),
            "form": form,
            "boosts": [(one, one.is_over(now=now), one.is_active(now=now)) for one in boosts],
            "may_change": may_change(request, course),
        }
        return render(request, "admin/quotas/boosts.html", context)


def _is_set(course: Course, values: dict[str, Any]) -> bool:
    """True if the same form was sent before, so that a double click sets one boost."""
    return course.boosts.filter(ended_at=None, **values).exists()


def end_boost(request: HttpRequest, boost_id: int) -> HttpResponse:
    boost = get_object_or_404(Boost.objects.select_related("course"), pk=boost_id)
    course = changed_course(request, boost.course_id)
    if request.method == "POST":
        ended = decisions.end(boost, by=user_of(request), now=timezone.now())
        messages.success(request, gettext("The boost has ended.") if ended else gettext("The boost had ended before."))
    return HttpResponseRedirect(reverse("admin:quotas_boosts", args=[course.pk]))
