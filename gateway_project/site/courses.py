"""The list of courses, and the settings of one, which combine several apps."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, OuterRef, Subquery
from django.forms import ModelForm
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import BooleanRadioFilter, ChoicesDropdownFilter

from apps.accounts.admin.departments import AddedByDepartments
from apps.accounts.admin.members import MemberInline, makes_staff
from apps.accounts.course_pages import course_page
from apps.accounts.models import Course, Membership
from apps.accounts.sign_in.step_up import step_up
from apps.common.admin import is_operator
from apps.common.display import badge
from apps.providers.admin.models import CourseModelInline
from apps.providers.models import Model
from apps.quotas.admin.policies import AllowanceInline, CeilingInline, QuotaPolicyAdmin
from apps.quotas.models import Boost, Ceiling, QuotaPolicy, WeeklyUsage
from apps.rules.admin.pages import RuleInline, RuleSettingsInline
from apps.rules.admin.saved import after_saving
from apps.rules.models import Rule
from gateway_project.site.weeks import running_weeks, week_of

WEEK_HELP = "Another week begins with nothing used. So in a course with a ceiling, only operators change these two."


class AllowanceForm(ModelForm):  # type: ignore[type-arg]  # not subscriptable at runtime
    """Checks the fallback model, since the quotas app does not know the models."""

    def clean_fallback_model(self) -> str:
        """A model that is not offered to the course might as well not exist: names of others are not told."""
        name = str(self.cleaned_data["fallback_model"])
        course = self.instance.course_id or getattr(self.cleaned_data.get("course"), "pk", None)
        if name and not Model.objects.offered_to([course]).filter(name=name).exists():
            raise ValidationError(f"There is no model “{name}”.")
        return name


class CheckedAllowanceInline(AllowanceInline):
    form = AllowanceForm


@admin.register(QuotaPolicy)
class CheckedQuotaPolicyAdmin(QuotaPolicyAdmin):
    form = AllowanceForm


@admin.register(Course)
class CourseAdmin(AddedByDepartments):
    empty_text = "Add a course, give it an allowance and a model, then add its students and issue their keys."
    list_display = ("title_shown", "slug", "open", "member_count", "rule_count", "week", "logging")
    list_filter = (("is_open", BooleanRadioFilter), ("logging", ChoicesDropdownFilter))
    search_fields = ("slug", "title")
    search_help_text = "Title or short name"
    inlines = (CheckedAllowanceInline, CeilingInline, RuleInline, RuleSettingsInline, CourseModelInline, MemberInline)
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
        main = ("title", "slug", "department", "is_open", "logging")
        return (
            (None, {"fields": main if obj is None else (*main, "week")}),
            ("Week", {"fields": ("timezone", "week_starts"), "description": WEEK_HELP}),
            (
                "Where data goes",
                {
                    "fields": ("hosting", "region"),
                    "description": "Prompts go to no provider farther away, even if no other can answer.",
                },
            ),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Only operators change the short name, which files and URLs elsewhere refer to, and the department."""
        if is_operator(request) or obj is None:
            return self.readonly_fields
        week = ("timezone", "week_starts") if Ceiling.objects.filter(course=obj).exists() else ()
        return (*self.readonly_fields, "slug", "department", *week)

    def changeform_view(self, request: HttpRequest, *args: Any, **options: Any) -> Any:
        """Making a member staff takes the same proof here as on the member's own page."""
        return (makes_staff(request) and step_up(request)) or super().changeform_view(request, *args, **options)

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        return self.prepopulated_fields if obj is None else {}

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return [inline for inline in self.inlines if obj is not None or inline is not MemberInline]

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Record the author of rules that are changed here, as everywhere."""
        rules = [row.instance for row in formset.forms] if formset.model is Rule else []
        changed = [(rule.signed(by=request.user), rule.pk is None, rule.changed_fields()) for rule in rules]
        super().save_formset(request, form, formset, change)
        saved = [*formset.new_objects, *(row for row, _ in formset.changed_objects)]
        for rule, is_new, fields in changed:
            if rule.pk is not None and rule in saved:
                after_saving(request, rule, changed=fields, is_new=is_new)

    @admin.display(description="course", ordering="title")
    def title_shown(self, course: Course) -> str:
        return str(course)

    @admin.display(description="open", ordering="is_open")
    def open(self, course: Course) -> SafeString:
        return badge("open", "good") if course.is_open else badge("closed", "bad", "Every call is refused")

    @admin.display(description="students", ordering="members_total")
    def member_count(self, course: Any) -> SafeString:
        address = f"{reverse('admin:accounts_membership_changelist')}?course={course.pk}"
        return format_html('<a class="stoa-link" href="{}">{}</a>', address, course.members_total or 0)

    @admin.display(description="rules in force", ordering="rules_total")
    def rule_count(self, course: Any) -> SafeString:
        address = f"{reverse('admin:rules_rule_changelist')}?course={course.pk}"
        return format_html('<a class="stoa-link" href="{}">{}</a>', address, course.rules_total or 0)

    @admin.display(description="this week", ordering="used")
    def week(self, course: Any) -> SafeString:
        return week_of(course)


@course_page
def settings_page(request: HttpRequest, course: Course) -> Any:
    pages: Any = admin.site._registry[Course]
    return pages.changeform_view(request, str(course.pk))
