"""Access to the pages of allowances. Courses and students that a person may not see give 404."""

from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse

from apps.accounts.models import Course, Membership
from apps.accounts.permissions import Verb
from apps.accounts.scoping import may
from apps.quotas.models import QuotaPolicy


def render(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    every = admin.site.each_context(request)
    return TemplateResponse(request, template, {**every, "opts": QuotaPolicy._meta, **context}).render()


def may_change(request: HttpRequest, course: Course) -> bool:
    return may(request, Verb.CHANGE, "QuotaPolicy", course.pk)


def seen_course(request: HttpRequest, course_id: int) -> Course:
    if not may(request, Verb.SEE, "QuotaPolicy", course_id):
        raise Http404
    return get_object_or_404(Course, pk=course_id)


def changed_course(request: HttpRequest, course_id: int) -> Course:
    course = seen_course(request, course_id)
    if not may_change(request, course):
        raise Http404
    return course


def seen_member(request: HttpRequest, member_id: int) -> Membership:
    member: Membership = get_object_or_404(Membership.objects.select_related("course", "user"), pk=member_id)
    seen_course(request, member.course_id)
    return member


def user_of(request: HttpRequest) -> Any:
    """The signed-in user; the admin admits nobody else."""
    return request.user
