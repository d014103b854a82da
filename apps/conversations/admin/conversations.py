"""Admin pages of conversations: the calls of a student that continue one another."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.accounts.scoping import CourseFilter
from apps.common.display import NOTHING, badge, when
from apps.common.translation import lazy as _
from apps.conversations.admin.filters import (
    StudentFilter,
    ThreadHitsFilter,
    ThreadRuleFilter,
    ThreadSinceFilter,
)
from apps.conversations.admin.neighbours import FROM_LIST, address, list_query, neighbours
from apps.conversations.admin.readable import Readable, shows_source
from apps.conversations.admin.searching import search, snippets
from apps.conversations.models import Call, Exchange, RuleHit, Thread
from apps.conversations.passages import exchanges, read_page

CALLS_ON_A_PAGE = 25


@admin.register(Thread)
class ThreadAdmin(Readable):
    empty_text = _("They appear here a moment after a student's first call, text and all.")
    reading_template = "admin/conversations/thread/page.html"
    list_display = ("about", "student", "course", "hits", "call_count", "last")
    list_per_page = 25
    list_filter = (
        CourseFilter,
        ThreadHitsFilter,
        ThreadRuleFilter,
        StudentFilter,
        ThreadSinceFilter,
    )
    list_select_related = ("course", "membership__user")
    list_display_links = None
    sortable_by = ("last",)
    search_fields = ("title",)
    search_help_text = _("Words that were said, or a student's name, number or e-mail")

    def found(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        found = search(request, queryset, term)
        request.found_threads = found  # type: ignore[attr-defined]
        return queryset.filter(pk__in=found.ids), False

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Adds to the rows of this page what only these need."""
        changelist = super().get_changelist_instance(request)
        rows = list(changelist.result_list)
        ids = [row.pk for row in rows]
        calls = dict(Exchange.objects.filter(thread__in=ids).values_list("thread").annotate(Count("pk")))
        hits = RuleHit.objects.filter(call__exchange__thread__in=ids).order_by("name")
        names = list(hits.values_list("call__exchange__thread", "name").distinct())
        found = getattr(request, "found_threads", None)
        shown = snippets(found, rows) if found else {}
        for row in rows:
            row.calls = calls.get(row.pk, 0)
            row.hit_names = [name for thread, name in names if thread == row.pk]
            row.snippet = shown.get(row.pk, "")
            row.address = address(row, request.GET.urlencode())
        changelist.result_list = rows
        return changelist

    def reading_context(self, request: HttpRequest, row: Thread) -> dict[str, Any]:
        calls = exchanges(Call.objects.filter(exchange__thread=row)).order_by("pk")
        paginator = Paginator(calls, CALLS_ON_A_PAGE)
        page = paginator.get_page(request.GET.get("page", paginator.num_pages))
        later, earlier = neighbours(self, request, row)
        query, of_course = list_query(request), reverse("admin:course_conversations", args=[row.course.slug])
        return {
            "page": page,
            "readings": read_page(page, now=timezone.now(), as_source=shows_source(request)),
            "shows_source": shows_source(request),
            "kept": f"&{urlencode({FROM_LIST: query})}" if query else "",
            "later": later and address(later, query),
            "earlier": earlier and address(earlier, query),
            "back": f"{of_course}?{query}",
            "all_of_student": f"{of_course}?student={row.membership_id}",
        }

    @admin.display(description=_("conversation"))
    def about(self, thread: Any) -> SafeString:
        return format_html(
            '<a class="stoa-topic" href="{}" dir="auto">{}</a>{}', thread.address, str(thread), thread.snippet
        )

    @admin.display(description=_("student"), ordering="membership")
    def student(self, thread: Thread) -> SafeString:
        return format_html(
            '<bdi>{}</bdi><small class="stoa-sub">{}</small>', thread.membership.person, thread.membership.external_id
        )

    @admin.display(description=_("calls"))
    def call_count(self, thread: Any) -> int:
        return int(thread.calls)

    @admin.display(description=_("rules found"))
    def hits(self, thread: Any) -> Any:
        return format_html_join(" ", "{}", ((badge(name, "warning"),) for name in thread.hit_names)) or NOTHING

    @admin.display(description=_("last call"), ordering="last_at")
    def last(self, thread: Thread) -> str:
        return when(thread.last_at)
