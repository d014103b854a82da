"""Read-only pages of calls and conversations, for the staff of their course."""

import zoneinfo
from typing import Any, ClassVar

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from apps.accounts.audit import record
from apps.accounts.permissions import Verb
from apps.accounts.scoping import CourseScoped, courses_where
from apps.common.admin import CappedPaginator, Pages, is_operator


class Readable(CourseScoped):
    """Shows a row on a page of its own instead of a form."""

    paginator = CappedPaginator
    reading_template: ClassVar[str]

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = self.of_course(request, Pages.get_queryset(self, request).select_related(*self.list_select_related))
        return rows if is_operator(request) else rows.filter(course_id__in=self._seen(request))

    def _seen(self, request: HttpRequest) -> frozenset[int]:
        """Ids instead of a subquery, so that a page of a huge table is found through its index."""
        return courses_where(request, Verb.SEE, self.model.__name__)

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        row = self.get_object(request, unquote(object_id))
        if request.method not in ("GET", "HEAD") or not self.has_view_permission(request, row):
            raise PermissionDenied
        page = self._page(request, row)
        record(f"{self.opts.verbose_name}.read", subject=row)
        return page

    def _page(self, request: HttpRequest, row: Any) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": row,
            "title": str(row),
            "zone": row.course.timezone,
            **self.reading_context(request, row),
        }
        # In the course's time zone, so that staff and students mean the same hour.
        with timezone.override(zoneinfo.ZoneInfo(row.course.timezone)):
            return TemplateResponse(request, self.reading_template, context).render()

    def reading_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        raise NotImplementedError


def shows_source(request: HttpRequest) -> bool:
    """Whether texts are shown as they were written, and not as their Markdown would have them."""
    return request.GET.get("source") == "1"
