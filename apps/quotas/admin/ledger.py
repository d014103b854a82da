"""Admin pages of the accounting: weeks, entries of the ledger, and holds."""

import re
from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Case, CharField, OuterRef, Q, Subquery, Sum, Value, When
from django.db.models.functions import Concat
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from apps.accounts.models import Course, Membership
from apps.accounts.permissions import Verb
from apps.accounts.scoping import CourseFilter, CourseScoped
from apps.common.admin import CappedPaginator, ChoiceFilter, OperatorOnly, Pages, ReadOnly
from apps.common.display import badge, instant, number, share, signed, week_of
from apps.common.searching import phrase
from apps.common.translation import lazy as _
from apps.quotas import standing
from apps.quotas.ledger import entries
from apps.quotas.models import BY_STAFF, Hold, LedgerEntry, WeeklyUsage

LATEST = 200
OF_WEEK = "usage__id__exact"


class ReadByCourse(CourseScoped):
    """The accounting of a course. Its rows name their accounts by number, so the queryset finds those of a course."""

    paginator = CappedPaginator

    def may(self, request: HttpRequest, verb: Verb, obj: Any = None) -> bool:
        return super().may(request, verb)

    def course_id(self, row: Any) -> int | None:
        """These pages are about all courses: auditors read them."""
        return None

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return tuple(self.readonly_fields)


class AccountCourseFilter(CourseFilter):
    """Filters the weeks of a course and of its students."""

    path = ""

    def narrow(self, queryset: Any, value: str, request: HttpRequest) -> Any:
        students = Membership.objects.filter(course=int(value)).values("pk")
        return queryset.filter(_of(self.path, courses=[int(value)], students=students))


class EntryCourseFilter(AccountCourseFilter):
    def narrow(self, queryset: Any, value: str, request: HttpRequest) -> Any:
        """By the weeks, which are read first: there is no index from a course to its entries."""
        weeks = super().narrow(WeeklyUsage.objects.all(), value, request)
        return queryset.filter(usage__in=list(weeks.values_list("pk", flat=True)))


def _of(path: str, *, courses: Any, students: Any) -> Q:
    kind, account = f"{path}kind", f"{path}account__in"
    return Q(**{kind: WeeklyUsage.Kind.COURSE, account: courses}) | Q(
        **{f"{kind}__in": WeeklyUsage.OF_STUDENTS, account: students}
    )


class WeekFilter(ChoiceFilter):
    title = _("week")
    parameter_name = "week"

    def options(self, request: HttpRequest) -> list[tuple[str, str]]:
        return [("current", gettext("Current")), ("past", gettext("Past"))]

    def narrow(self, queryset: Any, value: str, request: HttpRequest) -> Any:
        now = timezone.now()
        return queryset.filter(ends_at__gt=now) if value == "current" else queryset.filter(ends_at__lte=now)


@admin.register(WeeklyUsage)
class WeeklyUsageAdmin(ReadByCourse):
    empty_text = _("Nothing was used yet. The first call of a student opens a week for the student and for the course.")
    list_display = ("who", "kind", "use", "week", "state")
    list_filter = (AccountCourseFilter, ("kind", ChoicesDropdownFilter), WeekFilter)
    search_fields = ("account",)
    search_help_text = _("Course, or a student's student number, name or e-mail")
    change_form_after_template = "admin/quotas/weeklyusage/entries.html"
    fieldsets = ((None, {"fields": ("who", "kind", "use", "week", "state")}),)
    readonly_fields = ("who", "use", "week", "state")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).annotate(owner=_owner("account", "kind"))

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        changelist.result_list = _with_limits(changelist.result_list)
        return changelist

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        usage = super().get_object(request, object_id, from_field)
        return _with_limits([usage])[0]

    def found(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        return (queryset.filter(_found(search_term)) if search_term.strip() else queryset), False

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        usage = self.get_object(request, object_id)
        context = {**(extra_context or {}), **_entries(usage)}
        return super().change_view(request, object_id, form_url, context)

    @admin.display(description=_("account"))
    def who(self, usage: Any) -> str:
        return usage.owner or str(usage.get_kind_display())

    @admin.display(description=_("used"), ordering="used")
    def use(self, usage: Any) -> SafeString:
        if not usage.is_limit_known:
            return format_html('<span class="stoa-number">{}</span>', number(usage.used))
        return share(used=usage.used, held=usage.held, limit=usage.limit)

    @admin.display(description=_("week"), ordering="starts_at")
    def week(self, usage: WeeklyUsage) -> str:
        return week_of(usage.starts_at, usage.ends_at)

    @admin.display(description=_("state"))
    def state(self, usage: WeeklyUsage) -> SafeString:
        is_current = usage.starts_at <= timezone.now() < usage.ends_at
        return badge(gettext("current"), "good") if is_current else badge(gettext("past"))


def _with_limits(weeks: Iterable[WeeklyUsage]) -> list[Any]:
    """The same rows, each with its limit, if that is known."""
    rows: list[Any] = list(weeks)
    limits = standing.limits_of(rows, now=timezone.now())
    for row in rows:
        row.limit = limits.get(row.pk)
        row.is_limit_known = row.pk in limits
    return rows


def _owner(account: str, kind: str) -> Case:
    """The name of an account, as an expression in the same query."""
    member = Membership.objects.filter(pk=OuterRef(account))
    person = Concat("user__first_name", Value(" "), "user__last_name")
    shown = Case(When(shown_email="", then=person), default="shown_name", output_field=CharField())
    name = Concat("external_id", Value(" · "), shown, Value(" in "), "course__slug", output_field=CharField())
    return Case(
        When(**{f"{kind}__in": WeeklyUsage.OF_STUDENTS}, then=Subquery(member.values_list(name)[:1])),
        When(
            **{kind: WeeklyUsage.Kind.COURSE},
            then=Subquery(Course.objects.filter(pk=OuterRef(account)).values("title")[:1]),
        ),
        default=Value(""),
        output_field=CharField(),
    )


def _found(term: str, path: str = "") -> Q:
    students = Membership.objects.matching(term)
    title = phrase(term)
    courses = Course.objects.filter(Q(slug__icontains=title) | Q(title__icontains=title))
    return _of(path, courses=courses.values("pk"), students=students.values("pk"))


def _entries(usage: WeeklyUsage) -> dict[str, Any]:
    """The latest entries of a week, and where to read the rest."""
    of_week = LedgerEntry.objects.of(usage)
    sums = {name: Sum(f"{name}_delta", default=0) for name in ("used", "held", "granted")}
    is_of_student = usage.kind == WeeklyUsage.Kind.STUDENT
    return {
        "entries": entries.with_sums(usage)[:LATEST],
        "entry_count": of_week.count(),
        "latest": LATEST,
        "by_staff": BY_STAFF,
        "totals": of_week.aggregate(**sums),
        "entries_url": f"{reverse('admin:quotas_ledgerentry_changelist')}?{OF_WEEK}={usage.pk}",
        "student_url": f"{reverse('admin:quotas_student', args=[usage.account])}?week={usage.pk}"
        if is_of_student
        else "",
    }


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ReadByCourse):
    empty_text = _("The ledger is empty. Every call appends what it holds and what it is charged.")
    list_display = ("moved_at", "kind", "who", "held", "used", "granted", "why")
    list_filter = (EntryCourseFilter, ("kind", ChoicesDropdownFilter))
    list_select_related = ("usage", "actor")
    search_fields = ("hold",)
    search_help_text = _("Request ID, or a student's student number, name or e-mail")
    fieldsets = (
        (None, {"fields": ("moved_at", "kind", "who", "held", "used", "granted", "call", "week", "actor", "note")}),
    )
    readonly_fields = ("moved_at", "who", "held", "used", "granted", "call", "week", "actor", "note")
    sortable_by = ("moved_at",)

    def get_queryset(self, request: HttpRequest) -> Any:
        rows: Any = super().get_queryset(request)
        chosen = request.GET.get(OF_WEEK, "")
        week = WeeklyUsage.objects.filter(pk=chosen).first() if re.fullmatch("[0-9]{1,18}", chosen) else None
        return (rows.of(week) if week else rows).annotate(owner=_owner("usage__account", "usage__kind"))

    def found(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        term = search_term.strip()
        return (queryset.filter(Q(hold=term.lower()) | _found(term, "usage__")) if term else queryset), False

    @admin.display(description=_("time"), ordering="pk")
    def moved_at(self, entry: LedgerEntry) -> str:
        return instant(entry.at)

    @admin.display(description=_("account"))
    def who(self, entry: Any) -> str:
        return entry.owner or str(entry.usage.get_kind_display())

    @admin.display(description=_("held"))
    def held(self, entry: LedgerEntry) -> str:
        return signed(entry.held_delta)

    @admin.display(description=_("used"))
    def used(self, entry: LedgerEntry) -> str:
        return signed(entry.used_delta)

    @admin.display(description=_("granted"))
    def granted(self, entry: LedgerEntry) -> str:
        return signed(entry.granted_delta)

    @admin.display(description=_("call"))
    def call(self, entry: LedgerEntry) -> str:
        return "" if entry.kind in BY_STAFF else _call_link(entry.hold)

    @admin.display(description=_("call, or who and why"))
    def why(self, entry: LedgerEntry) -> SafeString:
        if entry.kind not in BY_STAFF:
            return _call_link(entry.hold)
        author = entry.actor or gettext("somebody who has left")
        return format_html('<b>{}</b><small class="stoa-sub stoa-note-cell">{}</small>', author, entry.note)

    @admin.display(description=_("week"))
    def week(self, entry: LedgerEntry) -> SafeString:
        week = entry.usage
        address = reverse("admin:quotas_weeklyusage_change", args=[week.pk])
        words = week_of(week.starts_at, week.ends_at)
        return format_html('<a class="stoa-link" href="{}">{}</a>', address, words)


@admin.register(Hold)
class HoldAdmin(ReadOnly, OperatorOnly, Pages):
    empty_text = _("No reservation was made yet. Every call makes one before it leaves for a provider.")
    paginator = CappedPaginator
    state_kinds: ClassVar[dict[str, str]] = {"held": "info", "settled": "good", "expired": "warning"}
    list_display = ("call", "shown_state", "amount", "charged", "made", "resolved")
    list_filter = (("state", ChoicesDropdownFilter),)
    search_fields = ("=id",)
    search_help_text = _("Request ID")
    sortable_by = ()
    fields = ("call", "shown_state", "amount", "floor", "checkpoint", "charged", "made", "expires", "resolved")
    readonly_fields = ("call", "shown_state", "made", "expires", "resolved")

    @admin.display(description=_("call"))
    def call(self, hold: Hold) -> str:
        return hold.pk

    @admin.display(description=_("state"))
    def shown_state(self, hold: Hold) -> SafeString:
        return badge(hold.state, self.state_kinds.get(hold.state, ""))

    @admin.display(description=_("made"))
    def made(self, hold: Hold) -> str:
        return instant(hold.created_at)

    @admin.display(description=_("expires"))
    def expires(self, hold: Hold) -> str:
        return instant(hold.expires_at)

    @admin.display(description=_("resolved"))
    def resolved(self, hold: Hold) -> str:
        return instant(hold.resolved_at)


def _call_link(request_id: str) -> SafeString:
    calls = reverse("admin:conversations_call_changelist")
    return format_html('<a class="stoa-link stoa-code" href="{}?q={}">{}</a>', calls, request_id, request_id)
