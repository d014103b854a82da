"""Admin pages of allowances: of the institution, and of each course."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from unfold.admin import StackedInline

from apps.accounts.scoping import CourseFilter, CourseScoped, CourseScoping
from apps.common.admin import OperatorOnly, Pages, is_operator
from apps.common.display import number
from apps.common.translation import lazy as _
from apps.quotas.admin import students
from apps.quotas.models import Ceiling, Institution, QuotaPolicy

FALLBACK_FIELDS = ("fallback_model", "fallback_student_weekly_tokens")

ALLOWANCE_FIELDSETS = (
    (None, {"fields": ("weekly_tokens", "student_weekly_tokens")}),
    (
        _("Requests"),
        {
            "fields": [
                f"{whose}_{limit}"
                for whose in ("student", "course", "key")
                for limit in ("requests_per_minute", "concurrent_requests", "tokens_per_minute")
            ],
            "description": _(
                "A request has to be within all of these limits; one that is refused counts for none. "
                "Tokens are looked at last, once the size of a request is known: one that is refused for them has "
                "counted as a request."
            ),
        },
    ),
    (_("Answers"), {"fields": ("default_output_tokens", "max_output_tokens", "least_output_tokens")}),
    (_("Joining and running out"), {"fields": ("late_joiners", "after_exhaustion", *FALLBACK_FIELDS)}),
)


class CeilingInline(CourseScoping, StackedInline):
    """On the course's own page: operators set it, staff of the course read it."""

    model = Ceiling
    fields = (("most_weekly_tokens", "most_member_weekly_tokens"),)
    tab = True
    extra = 0


@admin.register(Institution)
class InstitutionAdmin(OperatorOnly, Pages):
    empty_text = _("Add the institution if all courses together may use only so much a week.")
    list_display = ("__str__", "weekly_tokens", "timezone", "week_starts")
    fieldsets = (
        (
            None,
            {
                "fields": ("weekly_tokens", "timezone", "week_starts"),
                "description": _(
                    "What all courses together may use. A call draws on it beside the student's and the "
                    "course's own allowance, and is refused once it is used up."
                ),
            },
        ),
    )

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_add_permission(request, obj) and not Institution.objects.exists()

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Goes straight to the only row, if there is one."""
        if Institution.objects.exists() and is_operator(request):
            return HttpResponseRedirect(reverse("admin:quotas_institution_change", args=[1]))
        return super().changelist_view(request, extra_context)


class QuotaPolicyAdmin(CourseScoped):
    """Registered above, where names of models can be checked."""

    empty_text = _("Give a course an allowance. A course without one refuses every call.")
    list_display = ("course", "weekly", "each", "students")
    list_filter = (CourseFilter,)
    list_select_related = ("course",)
    search_fields = ("course__slug", "course__title")
    search_help_text = _("Course")
    autocomplete_fields = ("course",)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return ((None, {"fields": ("course",)}), *ALLOWANCE_FIELDSETS)

    def get_urls(self) -> Any:
        return [*students.urls(), *super().get_urls()]

    @admin.display(description=_("students"))
    def students(self, policy: QuotaPolicy) -> SafeString:
        address = reverse("admin:course_students", args=[policy.course.slug])
        return format_html('<a class="stoa-link" href="{}">{}</a>', address, gettext("Who has how much left"))

    @admin.display(description=_("course, per week"), ordering="weekly_tokens")
    def weekly(self, policy: QuotaPolicy) -> str:
        return gettext("no limit") if policy.weekly_tokens is None else number(policy.weekly_tokens)

    @admin.display(description=_("each student, per week"), ordering="student_weekly_tokens")
    def each(self, policy: QuotaPolicy) -> str:
        return number(policy.student_weekly_tokens)
