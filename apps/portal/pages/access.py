"""What all pages of a course have in common: whose they are, the clock of the course, and what stands around them."""

import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers

from apps.accounts.models import Course, Membership
from apps.common.translation import lazy as _
from apps.portal.pages.visitors import Visitor, visitor

RECORDED = {
    Course.Logging.FULL: _("The staff of this course can read what you ask and what is answered."),
    Course.Logging.METADATA: _("The staff of this course see when you ask and how much you use. No text is kept."),
    Course.Logging.OFF: _("This course keeps what it needs to count tokens, and no text."),
}


@dataclass(frozen=True, slots=True)
class Visit:
    """A student at a page of a course of theirs, at `now`."""

    visitor: Visitor
    member: Membership
    now: datetime

    @property
    def course(self) -> Course:
        return self.member.course


View = Callable[..., HttpResponse]


def student_page(view: View) -> View:
    """Calls `view(request, visit, ...)` for a page at `/c/<slug>/...`. Courses of others are 404 like missing ones.

    Whoever has not entered is asked to, and comes back. Nothing of it is kept by the browser.
    """

    @wraps(view)
    def page(request: HttpRequest, slug: str, **parts: Any) -> HttpResponse:
        now = timezone.now()
        found = visitor(request, now=now)
        if found is None:
            return HttpResponseRedirect(f"{reverse('home')}?next={request.path}")
        member = found.in_course(slug)
        if member is None:
            raise Http404
        with timezone.override(zoneinfo.ZoneInfo(member.course.timezone)):
            response = view(request, Visit(found, member, now), **parts)
            if isinstance(response, TemplateResponse):
                response.render()
        add_never_cache_headers(response)
        return response

    return page


def shown(request: HttpRequest, visit: Visit, name: str, context: dict[str, Any]) -> TemplateResponse:
    """The page `name` of a course, with what stands around all of them."""
    around = {
        "member": visit.member,
        "course": visit.course,
        "courses": [member.course for member in visit.visitor.members],
        "recorded": RECORDED[Course.Logging(visit.course.logging)],
        "page_name": name,
        "entered_with": visit.visitor.key,
    }
    return TemplateResponse(request, f"portal/{name}.html", {**around, **context})
