"""Admin pages of the audit log, for operators and for the instructors of a course."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, NamedTuple
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, Q, Subquery
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from unfold.contrib.filters.admin import BooleanRadioFilter

from apps.accounts.models import AuditEntry, Course
from apps.accounts.scoping import CourseFilter, CourseScoping
from apps.common.admin import CappedPaginator, ChoiceFilter, Pages, SinceFilter
from apps.common.display import NOTHING, badge, instant
from apps.common.translation import lazy as _

KINDS: Mapping[str, str] = {"person": "", "student": "info", "command": "warning", "task": "info", "system": "info"}


class AuditCourseFilter(CourseFilter):
    def narrow(self, queryset: Any, value: str, request: HttpRequest) -> Any:
        return queryset.filter(course=int(value))


class ActionFilter(ChoiceFilter):
    """By the first word of the action, in groups that people ask for."""

    title = _("action")
    parameter_name = "about"
    groups: ClassVar[dict[str, tuple[str, tuple[str, ...]]]] = {
        "sign-in": (_("Sign-in and tokens"), ("sign_in", "sign_out", "second_factor", "token", "session")),
        "keys": (_("Keys"), ("key", "staff_key")),
        "people": (
            _("People and roles"),
            ("user", "membership", "department", "department_admin", "group_grant", "issuer"),
        ),
        "courses": (_("Courses"), ("course", "allowed_model")),
        "rules": ("Rules", ("rule", "exception", "rule_settings", "appeal")),
        "quotas": (
            _("Allowances"),
            ("quota_policy", "role_allowance", "institution", "boost", "override", "grant", "usage", "request"),
        ),
        "providers": (_("Providers and models"), ("provider", "credential", "deployment", "model")),
        "reading": (_("Reading and exports"), ("call", "conversation", "samples", "allowances", "ledger")),
        "operation": (_("Operation"), ("configuration", "dead_letters", "audit")),
    }

    def options(self, request: HttpRequest) -> list[tuple[str, str]]:
        return [(name, label) for name, (label, _) in self.groups.items()]

    def narrow(self, queryset: Any, value: str, request: HttpRequest) -> Any:
        found = Q()
        for word in self.groups[value][1]:
            found |= Q(action__startswith=f"{word}.")
        return queryset.filter(found)


class ActorFilter(ChoiceFilter):
    title = _("who")
    parameter_name = "who"

    def options(self, request: HttpRequest) -> list[tuple[str, str]]:
        return [
            ("me", "I"),
            ("person", gettext("People")),
            ("command", gettext("Commands")),
            ("task", gettext("Tasks")),
            ("system", gettext("Stoa itself")),
        ]

    def narrow(self, queryset: Any, value: str, request: HttpRequest) -> Any:
        if value == "me":
            return queryset.filter(actor_kind="person", actor_id=request.user.pk)
        return queryset.filter(actor_kind=value)


class EntrySinceFilter(SinceFilter):
    def since(self, queryset: Any, start: datetime) -> Any:
        return queryset.filter(at__gte=start)

    def before(self, queryset: Any, end: datetime) -> Any:
        return queryset.filter(at__lt=end)


class ChangedField(NamedTuple):
    name: str
    before: str
    after: str


@admin.register(AuditEntry)
class AuditEntryAdmin(CourseScoping, Pages):
    list_title = _("Audit log")
    empty_text = _("Whatever somebody changes, decides, exports or reads here appears in this list, and stays.")
    paginator = CappedPaginator
    list_display = ("when", "who", "shown_action", "what", "change", "where")
    list_filter = (
        AuditCourseFilter,
        ActionFilter,
        ActorFilter,
        EntrySinceFilter,
        ("is_security", BooleanRadioFilter),
    )
    list_display_links = ("when",)
    list_fullwidth = True
    sortable_by = ()
    search_fields = ("actor_name", "action", "object_label", "=object_id", "=address", "=request_id", "note")
    search_help_text = _("Who, action, object, address, request ID or note")

    def get_queryset(self, request: HttpRequest) -> Any:
        course = Course.objects.filter(pk=OuterRef("course")).values("slug")
        return super().get_queryset(request).for_staff(request.user).annotate(course_slug=Subquery(course))

    def course_id(self, row: AuditEntry) -> int | None:
        return row.course

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        row = self.get_object(request, unquote(object_id))
        if request.method not in ("GET", "HEAD") or not self.has_view_permission(request, row):
            raise PermissionDenied
        return self._page(request, row)

    def _page(self, request: HttpRequest, row: Any) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": row,
            "title": str(row),
            "entry": row,
            "fields": changed_fields(row),
            "address": _page_of(row),
            "others": _entries_of(row),
        }
        return TemplateResponse(request, "admin/accounts/auditentry/page.html", context)

    @admin.display(description=_("time"))
    def when(self, entry: AuditEntry) -> str:
        return instant(entry.at)

    @admin.display(description=_("who"))
    def who(self, entry: AuditEntry) -> SafeString:
        name = entry.actor_name or gettext("nobody known")
        if entry.actor_kind == "person":
            return format_html("{}", name)
        return format_html("{} {}", name, badge(entry.actor_kind, KINDS.get(entry.actor_kind, "")))

    @admin.display(description=_("action"))
    def shown_action(self, entry: AuditEntry) -> SafeString:
        words = entry.action.replace("_", " ").replace(".", ": ", 1)
        return badge(words, "bad", gettext("security event")) if entry.is_security else format_html("{}", words)

    @admin.display(description=_("object"))
    def what(self, entry: Any) -> SafeString:
        return format_html(
            '<span class="stoa-clip">{}</span><small class="stoa-sub">{}</small>',
            entry.object_label or NOTHING,
            gettext("in {course}").format(course=entry.course_slug) if entry.course_slug else "",
        )

    @admin.display(description=_("change"))
    def change(self, entry: AuditEntry) -> SafeString:
        names = ", ".join(field.name for field in changed_fields(entry))
        return format_html('<span class="stoa-clip">{}</span>', entry.note or names or NOTHING)

    @admin.display(description=_("from"))
    def where(self, entry: AuditEntry) -> str:
        return entry.address or NOTHING


def changed_fields(entry: AuditEntry) -> list[ChangedField]:
    before, after = entry.before or {}, entry.after or {}
    return [ChangedField(name, _shown(before, name), _shown(after, name)) for name in {**before, **after}]


def _shown(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if value is None or value == "":
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _page_of(entry: AuditEntry) -> str:
    """The address of the object's page; empty if its kind has none. The object itself may be gone."""
    try:
        return reverse(f"admin:{entry.object_type.replace('.', '_')}_change", args=[entry.object_id])
    except NoReverseMatch:
        return ""


def _entries_of(entry: AuditEntry) -> str:
    """The address of the list of all entries of the same object."""
    if not entry.object_id:
        return ""
    about = urlencode({"object_type": entry.object_type, "object_id": entry.object_id})
    return f"{reverse('admin:accounts_auditentry_changelist')}?{about}"
