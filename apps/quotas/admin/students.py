"""The addresses at which pages of allowances were before courses had addresses of their own."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse

from apps.quotas.admin.access import seen_course, seen_member
from apps.quotas.admin.bulk import decide_page


def urls() -> list[URLPattern]:
    """Addresses to add to those of the allowance pages."""
    wrap = admin.site.admin_view
    return [
        path("course/<int:course_id>/", wrap(to_students), name="quotas_students"),
        path("student/<int:member_id>/", wrap(to_student), name="quotas_student"),
        path("course/<int:course_id>/boosts/", wrap(to_boosts), name="quotas_boosts"),
        path("course/<int:course_id>/<slug:action>/", wrap(decide_page), name="quotas_decide"),
    ]


def to_students(request: HttpRequest, course_id: int) -> HttpResponse:
    course = seen_course(request, course_id)
    return _moved(request, reverse("admin:course_students", args=[course.slug]))


def to_student(request: HttpRequest, member_id: int) -> HttpResponse:
    member = seen_member(request, member_id)
    return _moved(request, reverse("admin:course_student", args=[member.course.slug, member.pk]))


def to_boosts(request: HttpRequest, course_id: int) -> HttpResponse:
    course = seen_course(request, course_id)
    return HttpResponseRedirect(f"{reverse('admin:course_allowance', args=[course.slug])}#boost")


def _moved(request: HttpRequest, address: str) -> HttpResponse:
    return HttpResponseRedirect(f"{address}?{request.GET.urlencode()}" if request.GET else address)
