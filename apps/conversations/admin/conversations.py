"""Admin pages of conversations: the calls of a student that continue one another."""

from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.accounts.models import Membership
from apps.accounts.scoping import CourseFilter
from apps.common.display import NOTHING, badge, when
from apps.conversations.admin.filters import ThreadRuleFilter, ThreadSinceFilter
from apps.conversations.admin.readable import Readable
from apps.conversations.models import MOST_MEMBERS, Call, Thread, Turn
from apps.conversations.passages import exchanges, read

CALLS_ON_A_PAGE = 25


@admin.register(Thread)
class ThreadAdmin(Readable):
    empty_text = "They appear here a moment after a student's first call, text and all."
    reading_template = "admin/conversations/thread/page.html"
    list_display = ("about", "student", "course", "call_count", "hits", "last")
    list_filter = (CourseFilter, ThreadSinceFilter, ThreadRuleFilter)
    list_select_related = ("course", "membership__user")
    list_display_links = ("about",)
    sortable_by = ("last",)
    search_fields = ("title",)
    search_help_text = "Words of the text, external ID, name or e-mail"

    def found(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        said = Turn.objects.filter(text__icontains=term).values("call__exchange__thread")
        people = Membership.objects.for_staff(request.user).matching(term)
        members = list(people.values_list("pk", flat=True)[:MOST_MEMBERS])
        return queryset.filter(Q(title__icontains=term) | Q(membership_id__in=members) | Q(pk__in=said)), False

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Adds the counts of the rows on this page only."""
        changelist = super().get_changelist_instance(request)
        rows = Thread.objects.filter(pk__in=[row.pk for row in changelist.result_list])
        counted = {
            row["pk"]: row
            for row in rows.values("pk").annotate(
                calls=Count("exchanges", distinct=True), hits=Count("exchanges__call__rule_hits", distinct=True)
            )
        }
        for row in changelist.result_list:
            row.counts = counted[row.pk]
        return changelist

    def reading_context(self, request: HttpRequest, row: Thread) -> dict[str, Any]:
        calls = exchanges(Call.objects.filter(exchange__thread=row)).order_by("pk")
        paginator = Paginator(calls, CALLS_ON_A_PAGE)
        page = paginator.get_page(request.GET.get("page", paginator.num_pages))
        now = timezone.now()
        return {"page": page, "readings": [read(call, now=now) for call in page]}

    @admin.display(description="conversation")
    def about(self, thread: Thread) -> SafeString:
        return format_html('<span class="stoa-clip">{}</span>', str(thread))

    @admin.display(description="student", ordering="membership")
    def student(self, thread: Thread) -> SafeString:
        return format_html(
            '{}<small class="stoa-sub">{}</small>', thread.membership.person, thread.membership.external_id
        )

    @admin.display(description="calls")
    def call_count(self, thread: Any) -> int:
        return int(thread.counts["calls"])

    @admin.display(description="rule hits")
    def hits(self, thread: Any) -> Any:
        return badge(thread.counts["hits"], "warning") if thread.counts["hits"] else NOTHING

    @admin.display(description="last call", ordering="last_at")
    def last(self, thread: Thread) -> str:
        return when(thread.last_at)
