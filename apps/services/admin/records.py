"""The list of requests to services, for operators, and for the staff of a course those of its members."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from apps.accounts.models import Membership
from apps.accounts.permissions import Verb
from apps.accounts.scoping import CourseFilter, CourseScoped, courses_where
from apps.common.admin import CappedPaginator, ChoiceFilter, Pages, ReadOnly, SinceFilter, is_operator
from apps.common.display import NOTHING, badge, duration, instant, number, when
from apps.common.ids import first_id
from apps.common.translation import lazy as _
from apps.services.models import Service, ServiceRecord
from apps.services.outcomes import RequestOutcome

LATEST = 1_000
KINDS: dict[str, str] = {
    RequestOutcome.ANSWERED: "good",
    RequestOutcome.DECLINED: "",
    RequestOutcome.LEFT: "warning",
    RequestOutcome.ERROR: "bad",
    RequestOutcome.BROKEN: "bad",
    RequestOutcome.FAILED: "bad",
}


class RecordSinceFilter(SinceFilter):
    def since(self, queryset: Any, start: Any) -> Any:
        return queryset.filter(pk__gte=first_id(start))

    def before(self, queryset: Any, end: Any) -> Any:
        return queryset.filter(pk__lt=first_id(end))


class ServiceNameFilter(ChoiceFilter):
    """Operators choose among all services, others among those that their members asked lately."""

    title = _("service")
    parameter_name = "service_name"

    def options(self, request: HttpRequest) -> list[tuple[str, str]]:
        if is_operator(request):
            return [(name, name) for name in Service.objects.values_list("name", flat=True)]
        seen = ServiceRecord.objects.filter(course_id__in=courses_where(request, Verb.SEE, "ServiceRecord"))
        return [(name, name) for name in sorted(set(seen.values_list("service", flat=True)[:LATEST]))]

    def narrow(self, queryset: Any, value: str, request: HttpRequest) -> Any:
        return queryset.filter(service=value)


@admin.register(ServiceRecord)
class ServiceRecordAdmin(ReadOnly, CourseScoped):
    empty_text = _("A request to a service appears here a second after it has ended, and stays for two weeks.")
    paginator = CappedPaginator
    list_display = ("when", "caller", "what", "shown_outcome", "asked", "took", "bytes")
    list_filter = (ServiceNameFilter, ("outcome", ChoicesDropdownFilter), RecordSinceFilter, CourseFilter)
    list_select_related = ("course", "membership__user")
    list_display_links = ("when",)
    list_fullwidth = True
    sortable_by = ()
    search_fields = ("id",)
    search_help_text = _("Request ID, beginning of the path (/reports), student number, name or e-mail")
    fields = (
        "id",
        "started",
        "caller",
        "course",
        "what",
        "status",
        "shown_outcome",
        "error_code",
        "instance",
        "attempts",
        "took",
        "bytes",
    )
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> Any:
        """Ids instead of a subquery, so that a page of a huge table is found through its index."""
        rows = Pages.get_queryset(self, request).select_related(*self.list_select_related)
        return (
            rows
            if is_operator(request)
            else rows.filter(course_id__in=courses_where(request, Verb.SEE, "ServiceRecord"))
        )

    def found(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        if not search_term.strip():
            return queryset, False
        return queryset.matching(search_term, members=Membership.objects.for_staff(request.user)), False

    @admin.display(description=_("time"))
    def when(self, record: ServiceRecord) -> str:
        return when(record.started_at)

    @admin.display(description=_("time"))
    def started(self, record: ServiceRecord) -> str:
        return instant(record.started_at)

    @admin.display(description=_("caller"))
    def caller(self, record: ServiceRecord) -> SafeString | str:
        if record.membership is None or record.course is None:
            return gettext("without a key")
        place = gettext("{external_id} in {slug}").format(
            external_id=record.membership.external_id, slug=record.course.slug
        )
        return format_html('{}<small class="stoa-sub">{}</small>', record.membership.person, place)

    @admin.display(description=_("request"))
    def what(self, record: ServiceRecord) -> SafeString:
        return format_html(
            '<span class="stoa-clip">{} {}</span><small class="stoa-sub">{}</small>',
            record.method,
            record.path or "/",
            record.service,
        )

    @admin.display(description=_("outcome"))
    def shown_outcome(self, record: ServiceRecord) -> SafeString:
        shown = badge(f"{record.status} {record.get_outcome_display()}", KINDS.get(record.outcome, ""))
        return format_html('{}<small class="stoa-sub">{}</small>', shown, record.error_code)

    @admin.display(description=_("instance"))
    def asked(self, record: ServiceRecord) -> SafeString | str:
        if not record.instance:
            return NOTHING
        retries = gettext("{attempts} attempts").format(attempts=record.attempts) if record.attempts > 1 else ""
        return format_html('{}<small class="stoa-sub">{}</small>', record.instance, retries)

    @admin.display(description=_("first byte / total"))
    def took(self, record: ServiceRecord) -> SafeString:
        return format_html(
            '<span class="stoa-number">{} / {}</span>', duration(record.first_byte_ms), duration(record.duration_ms)
        )

    @admin.display(description=_("bytes in / out"))
    def bytes(self, record: ServiceRecord) -> SafeString:
        return format_html(
            '<span class="stoa-number">{} / {}</span>', number(record.bytes_in), number(record.bytes_out)
        )
