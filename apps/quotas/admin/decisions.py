"""Admin pages of the allowances of roles, of boosts and of overrides."""

from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from apps.accounts.course_pages import REMEMBERED
from apps.accounts.models import Course
from apps.accounts.scoping import CourseFilter, CourseScoped, MemberCourseFilter, SearchedByMember
from apps.common.admin import ChoiceFilter
from apps.common.display import badge, number, when
from apps.common.translation import lazy as _
from apps.quotas import decisions
from apps.quotas.admin.access import user_of
from apps.quotas.models import Boost, Override, RoleAllowance

BY_MEMBER_HELP = _("Reason, student number, name or e-mail")


class AddedOnCoursePage(CourseScoped):
    """Rows are added on the Allowance page of their course, in its words and its time zone; the list is a history."""

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> Any:
        if not self.has_add_permission(request):
            raise PermissionDenied
        key = request.GET.get("course", "")
        wanted = {"pk": int(key)} if key.isascii() and key.isdigit() and len(key) < 19 else {}
        wanted = wanted or {"slug": request.session.get(REMEMBERED, "")}
        course = Course.objects.for_staff(request.user).filter(**wanted).first()
        if course is None:
            return HttpResponseRedirect(reverse("admin:accounts_course_changelist"))
        return HttpResponseRedirect(reverse("admin:course_allowance", args=[course.slug]))


@admin.register(RoleAllowance)
class RoleAllowanceAdmin(AddedOnCoursePage):
    list_title = _("Allowances of roles")
    empty_text = _(
        "Assistants and instructors have the allowance of students until their role has one of its own here."
    )
    empty_value_display = _("as students")
    list_display = ("__str__", "course", "each", "requests_per_minute", "concurrent_requests", "tokens_per_minute")
    list_filter = (CourseFilter, ("role", ChoicesDropdownFilter))
    list_select_related = ("course",)
    search_fields = ("course__slug", "course__title", "role")
    search_help_text = _("Course or role")

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        """The form is that of the course's Allowance page."""
        row = self.get_object(request, object_id or "")
        if request.method == "POST" and not self.has_change_permission(request, row):
            raise PermissionDenied
        return HttpResponseRedirect(f"{reverse('admin:course_allowance', args=[row.course.slug])}#role")

    @admin.display(description=_("each, per week"), ordering="weekly_tokens")
    def each(self, allowance: RoleAllowance) -> str:
        return self.empty_value_display if allowance.weekly_tokens is None else number(allowance.weekly_tokens)


class PeriodFilter(ChoiceFilter):
    """Filters by period: in force, to come, or over."""

    title = _("state")
    parameter_name = "state"

    def options(self, request: HttpRequest) -> list[tuple[str, str]]:
        return [("active", gettext("In force")), ("coming", gettext("To come")), ("over", gettext("Over"))]

    def narrow(self, queryset: Any, value: str, request: HttpRequest) -> Any:
        now = timezone.now()
        unfinished = queryset.unfinished(now=now)
        if value == "over":
            return queryset.exclude(pk__in=unfinished.values("pk"))
        return unfinished.filter(starts_at__lte=now) if value == "active" else unfinished.filter(starts_at__gt=now)


class DecisionAdmin(AddedOnCoursePage):
    """Staff make and end decisions here. Nobody edits or deletes one: what it did is in the ledger."""

    actions = ("end_now",)
    shown: ClassVar[tuple[str, ...]]  # fields of a decision that exists
    after: ClassVar[tuple[str, ...]] = ("state", "starts", "ends", "ended", "reason", "author", "created")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields if obj is None else self.shown

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return () if obj is None else self.shown

    @admin.action(description=_("End now"), permissions=("change",))
    def end_now(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        now = timezone.now()
        ended = [decisions.end(row, by=user_of(request), now=now) for row in self.changeable(request, queryset)]
        self.message_user(request, gettext("{ended} ended. Limits follow within two seconds.").format(ended=sum(ended)))

    @admin.display(description=_("state"))
    def state(self, decision: Any) -> SafeString:
        now = timezone.now()
        if decision.is_over(now=now):
            return badge(gettext("over"))
        return badge(gettext("in force"), "good") if decision.is_active(now=now) else badge(gettext("to come"), "info")

    @admin.display(description=_("from"), ordering="starts_at")
    def starts(self, decision: Any) -> str:
        return when(decision.starts_at)

    @admin.display(description=_("until"), ordering="ends_at")
    def ends(self, decision: Any) -> str:
        return (
            when(decision.ended_at or decision.ends_at)
            if decision.ended_at or decision.ends_at
            else gettext("it is ended")
        )

    @admin.display(description=_("decided"), ordering="created_at")
    def created(self, decision: Any) -> str:
        return when(decision.created_at)

    @admin.display(description=_("ended early"))
    def ended(self, decision: Any) -> str:
        return when(decision.ended_at)


@admin.register(Boost)
class BoostAdmin(DecisionAdmin):
    empty_text = _("A boost multiplies what each student may use until a deadline. Add one for a busy week.")
    list_display = ("__str__", "course", "state", "starts", "ends", "reason", "author")
    list_filter = (CourseFilter, PeriodFilter)
    list_select_related = ("course", "author")
    search_fields = ("course__slug", "course__title", "reason")
    search_help_text = _("Course or reason")
    autocomplete_fields = ("course",)
    fields = ("course", "factor", "multiplies_course", "starts_at", "ends_at", "reason")
    shown = ("course", "times", "whom", *DecisionAdmin.after)

    @admin.display(description=_("times"))
    def times(self, boost: Boost) -> str:
        return f"×{boost.shown_factor}"

    @admin.display(description=_("whom"))
    def whom(self, boost: Boost) -> str:
        return (
            gettext("each student, and the course as a whole") if boost.multiplies_course else gettext("each student")
        )


@admin.register(Override)
class OverrideAdmin(DecisionAdmin, SearchedByMember):
    course_path = "membership__course"
    empty_text = _("An override gives one student another allowance than everybody, until a day that you set.")
    list_display = ("student", "course", "tokens", "state", "starts", "ends", "reason", "author")
    list_filter = (MemberCourseFilter, PeriodFilter)
    list_select_related = ("membership__user", "membership__course", "author")
    search_fields = ("reason",)
    search_help_text = BY_MEMBER_HELP
    autocomplete_fields = ("membership",)
    fields = ("membership", "weekly_tokens", "starts_at", "ends_at", "reason")
    shown = ("student", "course", "tokens", *DecisionAdmin.after)

    @admin.display(description=_("student"), ordering="membership__external_id")
    def student(self, override: Override) -> str:
        return f"{override.membership.external_id} · {override.membership.person}"

    @admin.display(description=_("course"), ordering="membership__course")
    def course(self, override: Override) -> str:
        return str(override.membership.course)

    @admin.display(description=_("per week"), ordering="weekly_tokens")
    def tokens(self, override: Override) -> str:
        return gettext("no limit") if override.weekly_tokens is None else number(override.weekly_tokens)
