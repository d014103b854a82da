"""Pages of one course. The course stands in the address, `/admin/c/<course>/...`, so two tabs can be on two courses.

`request.course` is the course that a page is about: these pages set it, and so does the page of a course's row
(`apps/accounts/scoping.py`). The menu and lists follow it. The session remembers the last one for `/admin/` alone.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import Course
from apps.common.zones import zone

REMEMBERED = "course"
# Where the rows of a course are listed, by the name of their model.
PAGES = {
    "ApiKey": "students",
    "Membership": "students",
    "Rule": "rules",
    "Thread": "conversations",
    "Boost": "allowance",
    "Override": "allowance",
    "QuotaPolicy": "allowance",
    "RoleAllowance": "allowance",
    "Course": "settings",
}
View = Callable[..., Any]


def course_of(request: HttpRequest) -> Course | None:
    """The course that this page is about; None on pages about several."""
    return getattr(request, "course", None)


def page_of(request: HttpRequest, model: Any) -> str | None:
    """The address of the course's page that lists rows of this model; None on pages about several courses."""
    course, page = course_of(request), PAGES.get(model.__name__)
    return reverse(f"admin:course_{page}", args=[course.slug]) if course is not None and page else None


def enter(request: HttpRequest, course: Course) -> None:
    """Make this the course of the page, and the one to come back to. Times are shown by its clock from here on."""
    request.course = course  # type: ignore[attr-defined]
    timezone.activate(zone(course.timezone))  # until the end of the request, see `ClockMiddleware`
    if request.session.get(REMEMBERED) != course.slug:
        request.session[REMEMBERED] = course.slug


def course_page(view: View) -> View:
    """A page at an address with the short name of a course. The view gets the course in place of the name.

    A course that this person may not see answers like one that does not exist. Times are shown by the course's clock.
    """

    @wraps(view)
    def page(request: HttpRequest, slug: str, **rest: Any) -> HttpResponseBase:
        course = Course.objects.for_staff(request.user).filter(slug=slug).first()
        if course is None:
            raise Http404
        enter(request, course)
        with timezone.override(ZoneInfo(course.timezone)):
            response = view(request, course, **rest)
            return response.render() if hasattr(response, "render") else response  # type: ignore[no-any-return]

    return page


def list_page(model: Any) -> View:
    """The list of a model as the course's page: narrowed to the course, with the same search, filters and actions."""

    @course_page
    def page(request: HttpRequest, course: Course) -> Any:
        request.lists_course = True  # type: ignore[attr-defined]
        return admin.site._registry[model].changelist_view(request)

    return page


def lists_course(request: HttpRequest) -> bool:
    """True on the list of a course, which needs no column and no filter that tells courses apart."""
    return getattr(request, "lists_course", False)
