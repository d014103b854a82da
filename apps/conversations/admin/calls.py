"""What was said: conversations and calls, to be read by the staff of the course; dead letters for operators."""

import zoneinfo
from datetime import timedelta
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from apps.accounts.models import Membership
from apps.accounts.scoping import CourseFilter, CourseScoped, seen_courses
from apps.common.admin import CappedPaginator, Choice, OperatorOnly, Pages, ReadOnly, is_operator
from apps.common.display import NOTHING, badge, duration, moment, number
from apps.common.ids import first_id
from apps.conversations.admin.appeals import AppealAdmin
from apps.conversations.admin.rules import RulePages
from apps.conversations.models import MOST_MEMBERS, Appeal, Call, DeadLetter, RuleHit, Thread, Turn
from apps.conversations.passages import STATUS_KINDS, exchanges, read
from apps.conversations.spool import draining
from apps.conversations.spool.files import SpooledRecord
from apps.providers.models import Model, Provider
from apps.rules.models import Rule

CALLS_ON_A_PAGE = 25


class Since(Choice):
    """By time. Ids are ordered by time, so this is a range of the primary key."""

    title = "time"
    parameter_name = "since"
    spans: ClassVar[dict[str, tuple[str, timedelta]]] = {
        "hour": ("Last hour", timedelta(hours=1)),
        "day": ("Last 24 hours", timedelta(days=1)),
        "week": ("Last 7 days", timedelta(days=7)),
        "month": ("Last 30 days", timedelta(days=30)),
    }

    def options(self, request: HttpRequest) -> list[tuple[str, str]]:
        return [(name, label) for name, (label, _) in self.spans.items()]

    def narrow(self, queryset: Any, value: str, request: HttpRequest) -> Any:
        return queryset.filter(pk__gte=first_id(timezone.now() - self.spans[value][1]))


class ThreadSince(Since):
    def narrow(self, queryset: Any, value: str, request: HttpRequest) -> Any:
        return queryset.filter(last_at__gte=timezone.now() - self.spans[value][1])


class RuleFilter(Choice):
    title = "rule"
    parameter_name = "rule"

    def options(self, request: HttpRequest) -> list[tuple[int, str]]:
        rules = Rule.objects.for_staff(request.user).select_related("course")
        return [(rule.pk, f"{rule.name} ({rule.place})") for rule in rules]

    def narrow(self, queryset: Any, value: str, request: HttpRequest) -> Any:
        return queryset.filter(pk__in=RuleHit.objects.filter(rule=int(value)).values("call"))


class ThreadRuleFilter(RuleFilter):
    def narrow(self, queryset: Any, value: str, request: HttpRequest) -> Any:
        return queryset.filter(pk__in=RuleHit.objects.filter(rule=int(value)).values("call__exchange__thread"))


class ModelFilter(Choice):
    title = "model"
    parameter_name = "model_name"

    def options(self, request: HttpRequest) -> list[tuple[str, str]]:
        models = Model.objects.all()
        if not is_operator(request):
            models = models.filter(allowed_in__course__in=seen_courses(request)).distinct()
        return [(name, name) for name in models.values_list("name", flat=True)]

    def narrow(self, queryset: Any, value: str, request: HttpRequest) -> Any:
        return queryset.filter(model=value)


class ProviderFilter(Choice):
    title = "provider"
    parameter_name = "provider_name"

    def options(self, request: HttpRequest) -> list[tuple[str, str]]:
        names = Provider.objects.values_list("name", flat=True) if is_operator(request) else []
        return [(name, name) for name in names]

    def has_output(self) -> bool:
        return bool(self.lookup_choices)

    def narrow(self, queryset: Any, value: str, request: HttpRequest) -> Any:
        return queryset.filter(provider=value)


class Readable(ReadOnly, CourseScoped):
    """Rows that are read as a page of their own instead of a form."""

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
        """Rendered in the time zone of the course: staff and students speak of the same evening."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": row,
            "title": str(row),
            "zone": row.course.timezone,
            **self.reading_context(request, row),
        }
        with timezone.override(zoneinfo.ZoneInfo(row.course.timezone)):
            return TemplateResponse(request, self.reading_template, context).render()

    def reading_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        raise NotImplementedError


@admin.register(Call)
class CallAdmin(RulePages, Readable):
    empty_text = "A student's first request appears here the moment it is answered or refused."
    reading_template = "admin/conversations/call/page.html"
    list_display = ("when", "student", "about", "served", "shown_status", "tokens", "took", "rules")
    list_filter = (CourseFilter, ("status", ChoicesDropdownFilter), Since, RuleFilter, ModelFilter, ProviderFilter)
    list_select_related = ("course", "membership__user", "exchange__thread")
    list_display_links = ("when",)
    list_fullwidth = True
    sortable_by = ()
    search_fields = ("id",)
    search_help_text = "Request ID, external ID, name or e-mail"

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("rule_hits")

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        if not search_term.strip():
            return queryset, False
        return queryset.matching(search_term, members=Membership.objects.for_staff(request.user)), False

    def reading_context(self, request: HttpRequest, row: Call) -> dict[str, Any]:
        call = exchanges(Call.objects.filter(pk=row.pk)).select_related("api_key").get()
        return {"reading": read(call, now=timezone.now(), longest=None)}

    @admin.display(description="time (UTC)")
    def when(self, call: Call) -> SafeString:
        day, time = moment(call.started_at).split()
        return format_html('<span class="stoa-number">{}<small class="stoa-sub">{}</small></span>', time, day)

    @admin.display(description="student")
    def student(self, call: Call) -> SafeString:
        place = f"{call.membership.external_id} in {call.course.slug}"
        return format_html('{}<small class="stoa-sub">{}</small>', call.membership.user, place)

    @admin.display(description="conversation")
    def about(self, call: Call) -> SafeString | str:
        exchange = getattr(call, "exchange", None)
        if exchange is None:
            return NOTHING
        address = reverse("admin:conversations_thread_change", args=[exchange.thread_id])
        return format_html('<a class="stoa-link stoa-clip" href="{}#{}">{}</a>', address, call.pk, str(exchange.thread))

    @admin.display(description="model, provider")
    def served(self, call: Call) -> SafeString:
        provider = f"at {call.provider}" if call.provider else "no provider called"
        return format_html('{}<small class="stoa-sub">{}</small>', call.model, provider)

    @admin.display(description="status")
    def shown_status(self, call: Call) -> SafeString:
        return badge(call.get_status_display(), STATUS_KINDS.get(call.status, ""), call.error_code)

    @admin.display(description="tokens in / out")
    def tokens(self, call: Call) -> SafeString:
        return format_html(
            '<span class="stoa-number" title="{}">{}{} / {}<small class="stoa-sub">{} charged</small></span>',
            "Estimated: the provider reported no usage" if call.is_estimated else "",
            "≈ " if call.is_estimated else "",
            number(call.input_tokens),
            number(call.output_tokens),
            number(call.charged),
        )

    @admin.display(description="first byte / total")
    def took(self, call: Call) -> SafeString:
        return format_html(
            '<span class="stoa-number">{} / {}</span>', duration(call.first_byte_ms), duration(call.duration_ms)
        )

    @admin.display(description="rules")
    def rules(self, call: Call) -> SafeString:
        names = dict.fromkeys((hit.name, hit.stage) for hit in call.rule_hits.all())
        return format_html_join(" ", "{}", ((badge(name, "warning", stage),) for name, stage in names))


@admin.register(Thread)
class ThreadAdmin(Readable):
    empty_text = "They appear here a moment after a student's first call, text and all."
    reading_template = "admin/conversations/thread/page.html"
    list_display = ("about", "student", "course", "call_count", "hits", "last")
    list_filter = (CourseFilter, ThreadSince, ThreadRuleFilter)
    list_select_related = ("course", "membership__user")
    list_display_links = ("about",)
    sortable_by = ("last",)
    search_fields = ("title",)
    search_help_text = "Words of the text, external ID, name or e-mail"

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        said = Turn.objects.filter(text__icontains=term).values("call__exchange__thread")
        found = Membership.objects.for_staff(request.user).matching(term)
        members = list(found.values_list("pk", flat=True)[:MOST_MEMBERS])
        return queryset.filter(Q(title__icontains=term) | Q(membership_id__in=members) | Q(pk__in=said)), False

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Counts for the rows of this page only."""
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
            '{}<small class="stoa-sub">{}</small>', thread.membership.user, thread.membership.external_id
        )

    @admin.display(description="calls")
    def call_count(self, thread: Any) -> int:
        return int(thread.counts["calls"])

    @admin.display(description="rule hits")
    def hits(self, thread: Any) -> Any:
        return badge(thread.counts["hits"], "warning") if thread.counts["hits"] else NOTHING

    @admin.display(description="last call (UTC)", ordering="last_at")
    def last(self, thread: Thread) -> str:
        return moment(thread.last_at)


@admin.register(DeadLetter)
class DeadLetterAdmin(OperatorOnly, Pages):
    empty_text = "The database took everything. What it refuses waits here."
    list_display = ("call", "error", "buried")
    search_fields = ("call", "error")
    search_help_text = "Request ID or error"
    fields = ("call", "buried", "error", "text")
    readonly_fields = fields
    actions = ("replay",)

    @admin.action(description="Replay selected dead letters")
    def replay(self, request: HttpRequest, queryset: Any) -> None:
        letters = list(queryset)
        taken = draining.replay(letters)
        refused = len(letters) - taken
        self.message_user(request, f"The database took {taken} and refused {refused} again.")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="since (UTC)", ordering="created_at")
    def buried(self, letter: DeadLetter) -> str:
        return moment(letter.created_at)

    @admin.display(description="text")
    def text(self, letter: DeadLetter) -> SafeString:
        try:
            record = SpooledRecord.from_body(letter.record["body"].encode())
        except (ValueError, TypeError, KeyError, AttributeError):
            return format_html("{}", "The record cannot be read.")
        rows = ((turn.role, turn.text) for turn in record.turns)
        return format_html_join("", '<p class="stoa-plain"><b>{}</b> {}</p>', rows)


# Its page stands in a module of its own, and is registered with these.
admin.site.register(Appeal, AppealAdmin)
