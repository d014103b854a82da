"""Read-only pages of calls and conversations, for the staff of their course."""

import zoneinfo
from typing import Any, ClassVar

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from apps.accounts.scoping import CourseScoped, seen_courses
from apps.common.admin import CappedPaginator, Pages, ReadOnly, is_operator


class Readable(ReadOnly, CourseScoped):
    """Shows a row on a page of its own instead of a form."""

    paginator = CappedPaginator
    reading_template: ClassVar[str]

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = Pages.get_queryset(self, request).select_related(*self.list_select_related)
        return rows if is_operator(request) else rows.filter(course_id__in=seen_courses(request))

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        row = self.get_object(request, unquote(object_id))
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if request.method not in ("GET", "HEAD") or not self.has_view_permission(request, row):
            raise PermissionDenied
        return self._page(request, row)

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
