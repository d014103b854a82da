"""Admin pages of calls: the prompt, the answer and the cost."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from apps.accounts.models import Membership
from apps.accounts.scoping import CourseFilter
from apps.common.display import NOTHING, badge, duration, number, when
from apps.common.translation import lazy as _
from apps.conversations.admin.filters import CallSinceFilter, ModelFilter, ProviderFilter, RuleFilter
from apps.conversations.admin.readable import Readable, shows_source
from apps.conversations.admin.rules import RulePages
from apps.conversations.models import Call
from apps.conversations.passages import STATUS_KINDS, exchanges, read


@admin.register(Call)
class CallAdmin(RulePages, Readable):
    empty_text = _("A student's first request appears here the moment it is answered or refused.")
    reading_template = "admin/conversations/call/page.html"
    list_display = ("when", "student", "about", "served", "shown_status", "tokens", "took", "rules")
    list_filter = (
        CourseFilter,
        ("status", ChoicesDropdownFilter),
        CallSinceFilter,
        RuleFilter,
        ModelFilter,
        ProviderFilter,
    )
    list_select_related = ("course", "membership__user", "exchange__thread")
    list_display_links = ("when",)
    list_fullwidth = True
    sortable_by = ()
    search_fields = ("id",)
    search_help_text = _("Request ID, student number, name or e-mail")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("rule_hits")

    def found(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        if not search_term.strip():
            return queryset, False
        return queryset.matching(search_term, members=Membership.objects.for_staff(request.user)), False

    def reading_context(self, request: HttpRequest, row: Call) -> dict[str, Any]:
        call = exchanges(Call.objects.filter(pk=row.pk)).select_related("api_key").get()
        as_source = shows_source(request)
        reading = read(call, now=timezone.now(), longest=None, as_source=as_source)
        return {"reading": reading, "shows_source": as_source}

    @admin.display(description=_("time"))
    def when(self, call: Call) -> str:
        return when(call.started_at)

    @admin.display(description=_("student"))
    def student(self, call: Call) -> SafeString:
        place = gettext("{external_id} in {slug}").format(
            external_id=call.membership.external_id, slug=call.course.slug
        )
        return format_html('{}<small class="stoa-sub">{}</small>', call.membership.person, place)

    @admin.display(description=_("conversation"))
    def about(self, call: Call) -> SafeString | str:
        exchange = getattr(call, "exchange", None)
        if exchange is None:
            return NOTHING
        address = reverse("admin:conversations_thread_change", args=[exchange.thread_id])
        return format_html('<a class="stoa-link stoa-clip" href="{}#{}">{}</a>', address, call.pk, str(exchange.thread))

    @admin.display(description=_("model, provider"))
    def served(self, call: Call) -> SafeString:
        none = gettext("no provider answered") if call.attempts else gettext("no provider called")
        provider = f"at {call.provider}" if call.provider else none
        return format_html('{}<small class="stoa-sub">{}</small>', call.model, provider)

    @admin.display(description=_("status"))
    def shown_status(self, call: Call) -> SafeString:
        return badge(call.get_status_display(), STATUS_KINDS.get(call.status, ""), call.error_code)

    @admin.display(description=_("tokens in / out"))
    def tokens(self, call: Call) -> SafeString:
        return format_html(
            '<span class="stoa-number" title="{}">{}{} / {}<small class="stoa-sub">{}</small></span>',
            gettext("Estimated: the provider reported no usage") if call.is_estimated else "",
            "≈ " if call.is_estimated else "",
            number(call.input_tokens),
            number(call.output_tokens),
            gettext("{tokens} charged").format(tokens=number(call.charged)),
        )

    @admin.display(description=_("first byte / total"))
    def took(self, call: Call) -> SafeString:
        return format_html(
            '<span class="stoa-number">{} / {}</span>', duration(call.first_byte_ms), duration(call.duration_ms)
        )

    @admin.display(description=_("rules"))
    def rules(self, call: Call) -> SafeString:
        names = dict.fromkeys((hit.name, hit.stage) for hit in call.rule_hits.all())
        return format_html_join(" ", "{}", ((badge(name, "warning", stage),) for name, stage in names))
