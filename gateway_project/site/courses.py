"""The list of courses, and the settings of one, which combine several apps."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, Subquery
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from unfold.contrib.filters.admin import BooleanRadioFilter, ChoicesDropdownFilter

from apps.accounts.admin.departments import AddedByDepartments
from apps.accounts.course_pages import course_page
from apps.accounts.models import Course, Membership, Role
from apps.common.admin import is_operator
from apps.common.display import badge
from apps.common.translation import lazy as _
from apps.quotas.admin.policies import CeilingInline, QuotaPolicyAdmin
from apps.quotas.models import Boost, Ceiling, QuotaPolicy, WeeklyUsage
from apps.rules.admin.pages import RuleSettingsInline
from apps.rules.models import Rule
from gateway_project.site.closing import may_close
from gateway_project.site.course_form import CourseForm
from gateway_project.site.weeks import running_weeks, week_of

LIST = "admin:quotas_quotapolicy_changelist"
WEEK_HELP = _("Another week begins with nothing used. So in a course with a ceiling, only operators change these two.")


@admin.register(QuotaPolicy)
class CheckedQuotaPolicyAdmin(QuotaPolicyAdmin):
    """The list is for reading; the form is that of the course's Allowance page."""

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        row = self.get_object(request, object_id) if object_id else None
        changes = request.method == "POST"
        if not (
            self.has_change_permission(request, row) if row and changes else row or self.has_add_permission(request)
        ):
            raise PermissionDenied
        course = row.course if row else Course.objects.for_staff(request.user).filter(pk=_key(request)).first()
        where = reverse("admin:course_allowance", args=[course.slug]) if course else reverse(LIST)
        return HttpResponseRedirect(where)


def _key(request: HttpRequest) -> int:
    given = request.GET.get("course", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 19 else 0


@admin.register(Course)
class CourseAdmin(AddedByDepartments):
    empty_text = _("Add a course, give it an allowance and a model, then add its students and issue their keys.")
    list_display = ("title_shown", "short_name", "open", "member_count", "rule_count", "week", "logging")
    list_filter = (("is_open", BooleanRadioFilter), ("logging", ChoicesDropdownFilter))
    search_fields = ("slug", "title")
    search_help_text = _("Title or short name")
    form = CourseForm
    inlines = (CeilingInline, RuleSettingsInline)
    change_form_outer_after_template = "admin/course/settings.html"
    readonly_fields = ("week",)
    prepopulated_fields = {"slug": ("title",)}

    def get_queryset(self, request: HttpRequest) -> Any:
        week = running_weeks().filter(kind=WeeklyUsage.Kind.COURSE, account=OuterRef("pk"))
        boosts = Boost.objects.active(now=timezone.now()).filter(course=OuterRef("pk"), multiplies_course=True)
        members = Membership.objects.filter(course=OuterRef("pk")).order_by().values("course")
        rules = Rule.objects.filter(course=OuterRef("pk"), stage=Rule.Stage.ENFORCE).order_by().values("course")
        return (
            super()
            .get_queryset(request)
            .select_related("quota_policy")
            .annotate(
                used=Subquery(week.values("used")[:1]),
                held=Subquery(week.values("held")[:1]),
                granted=Subquery(week.values("granted")[:1]),
                most=Subquery(Ceiling.objects.filter(course=OuterRef("pk")).values("most_weekly_tokens")[:1]),
                factor=Subquery(boosts.order_by("-factor").values("factor")[:1]),
                members_total=Subquery(members.annotate(count=Count("pk")).values("count")),
                rules_total=Subquery(rules.annotate(count=Count("pk")).values("count")),
            )
        )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        week: Any = {"fields": ("timezone", "week_starts"), "description": WEEK_HELP}
        data: Any = {
            "fields": ("hosting", "region"),
            "description": gettext("Prompts go to no provider farther away, even if no other can answer."),
        }
        if obj is None:
            new = ("title", "slug", "department", "timezone", "student_weekly_tokens", "models")
            return (
                (None, {"fields": new}),
                (gettext("More"), {"fields": ("week_starts", "logging"), "classes": ("collapse",)}),
            )
        return (
            (None, {"fields": ("title", "slug", "department", "logging", "models")}),
            (gettext("Week"), week),
            (gettext("Where data goes"), data),
        )

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        form: Any = super().get_form(request, obj, change, **options)
        return type("CourseForm", (form,), {"request": request})

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        form.save_parts(form.instance)

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        course = self.get_object(request, object_id)
        members = Membership.objects.filter(course=course, is_active=True)
        context = {
            **(extra_context or {}),
            "title": gettext("Settings"),
            "staff": members.filter(role__in=Role.staff()).select_related("user").order_by("role", "external_id")[:25],
            "students": members.filter(role=Role.STUDENT).count(),
            "rules": Rule.objects.filter(course=course).count(),
            "may_close": may_close(request, course),
        }
        return super().change_view(request, object_id, form_url, context)

    def response_add(self, request: HttpRequest, obj: Course, post_url_continue: str | None = None) -> Any:
        """To the new course, which says what it still lacks."""
        self.message_user(request, gettext("{obj} is there. What it still needs is below.").format(obj=obj))
        return HttpResponseRedirect(reverse("admin:course_today", args=[obj.slug]))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Only operators change the short name, which files and URLs elsewhere refer to, and the department."""
        if is_operator(request) or obj is None:
            return self.readonly_fields
        week = ("timezone", "week_starts") if Ceiling.objects.filter(course=obj).exists() else ()
        return (*self.readonly_fields, "slug", "department", *week)

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        return self.prepopulated_fields if obj is None else {}

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return () if obj is None else self.inlines

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """A course takes its allowance with it, which nobody deletes alone."""
        shown, counts, lacking, kept = super().get_deleted_objects(objs, request)
        return shown, counts, lacking - {QuotaPolicy._meta.verbose_name}, kept

    @admin.display(description=_("course"), ordering="title")
    def title_shown(self, course: Course) -> str:
        return str(course)

    @admin.display(description=_("short name"), ordering="slug")
    def short_name(self, course: Course) -> str:
        return course.slug

    @admin.display(description=_("open"), ordering="is_open")
    def open(self, course: Course) -> SafeString:
        return (
            badge(gettext("open"), "good")
            if course.is_open
            else badge(gettext("closed"), "bad", gettext("Every call is refused"))
        )

    @admin.display(description=_("students"), ordering="members_total")
    def member_count(self, course: Any) -> SafeString:
        address = f"{reverse('admin:accounts_membership_changelist')}?course={course.pk}"
        return format_html('<a class="stoa-link" href="{}">{}</a>', address, course.members_total or 0)

    @admin.display(description=_("rules in force"), ordering="rules_total")
    def rule_count(self, course: Any) -> SafeString:
        address = f"{reverse('admin:rules_rule_changelist')}?course={course.pk}"
        return format_html('<a class="stoa-link" href="{}">{}</a>', address, course.rules_total or 0)

    @admin.display(description=_("this week"), ordering="used")
    def week(self, course: Any) -> SafeString:
        return week_of(course)


@course_page
def settings_page(request: HttpRequest, course: Course) -> Any:
    pages: Any = admin.site._registry[Course]
    return (
        pages.changeform_view(request, str(course.pk))
        if request.method == "POST"
        else pages.change_view(request, str(course.pk))
    )
