"""The conversations before and after one, in the list that a person came from.

Links of the list carry its address, and the pages of conversations pass it on. What is not in that list any more, or
of another course, has neighbours in the plain list.
"""

from copy import copy
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import SuspiciousOperation
from django.db.models import Q
from django.http import HttpRequest, QueryDict
from django.urls import reverse
from unfold.views import ChangeList

from apps.conversations.models import Thread

FROM_LIST = "list"  # the parameter with the query of the list
LONGEST = 1_000  # characters of that query


class ListOfThreads(ChangeList):
    """The rows of a list of conversations, of which none is read."""

    def get_results(self, request: HttpRequest) -> None:
        self.result_count = self.full_result_count = 0
        self.result_list: list[Thread] = []
        self.can_show_all = self.multi_page = False


def address(thread: Thread, query: str) -> str:
    page = reverse("admin:conversations_thread_change", args=[thread.pk])
    return f"{page}?{urlencode({FROM_LIST: query})}" if query else page


def list_query(request: HttpRequest) -> str:
    """The query of the list that this page was opened from."""
    return request.GET.get(FROM_LIST, "")[:LONGEST]


def neighbours(pages: Any, request: HttpRequest, thread: Thread) -> tuple[Thread | None, Thread | None]:
    """The later and the earlier one of the same course, through the index of its conversations."""
    rows = _rows(pages, request).filter(course=thread.course_id).select_related(None).only("pk", "last_at", "title")
    later = rows.filter(Q(last_at__gt=thread.last_at) | Q(last_at=thread.last_at, pk__gt=thread.pk))
    earlier = rows.filter(Q(last_at__lt=thread.last_at) | Q(last_at=thread.last_at, pk__lt=thread.pk))
    after = later.filter(last_at__gte=thread.last_at).order_by("last_at", "pk").first()
    return after, earlier.filter(last_at__lte=thread.last_at).order_by("-last_at", "-pk").first()


def _is_used(narrowing: Any, asked: HttpRequest) -> bool:
    """Whether the list is narrowed by this filter, whose choices take a query of their own."""
    names = (
        [f"{narrowing[0]}_from", f"{narrowing[0]}_to"] if isinstance(narrowing, tuple) else [narrowing.parameter_name]
    )
    return any(asked.GET.get(name) for name in names)


def _rows(pages: Any, request: HttpRequest) -> Any:
    if not list_query(request):
        return pages.get_queryset(request)
    asked = copy(request)
    asked.GET = QueryDict(list_query(request))
    try:
        return ListOfThreads(
            asked,
            pages.model,
            pages.list_display,
            None,
            [one for one in pages.get_list_filter(asked) if _is_used(one, asked)],
            None,
            pages.get_search_fields(asked),
            pages.list_select_related,
            pages.list_per_page,
            pages.list_max_show_all,
            (),
            pages,
            pages.sortable_by,
            "",
        ).get_queryset(asked)
    except (IncorrectLookupParameters, SuspiciousOperation, ValueError, OverflowError):
        return pages.get_queryset(request)
