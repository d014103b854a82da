"""The admin's sidebar, its first page, and the page of a course, which combines several apps."""

from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, OuterRef, Q, Subquery
from django.forms import ModelForm
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import BooleanRadioFilter, ChoicesDropdownFilter

from apps.accounts.models import Course, Membership
from apps.accounts.scoping import CourseScoped, CourseScoping, seen_courses
from apps.common.admin import is_operator
from apps.common.display import badge, share
from apps.conversations.models import Appeal, Call, DeadLetter, RuleHit, Thread
from apps.providers.admin.models import CourseModelInline
from apps.providers.admin.standing import alarms
from apps.providers.models import Model
from apps.quotas.admin.policies import AllowanceInline, QuotaPolicyAdmin
from apps.quotas.limits import multiplied
from apps.quotas.models import (
    AllowanceRequest,
    Boost,
    Hold,
    Institution,
    LedgerEntry,
    Override,
    QuotaPolicy,
    RoleAllowance,
    WeeklyUsage,
)
from apps.rules.admin.pages import RuleInline, RuleSettingsInline
from apps.rules.models import Rule

RECENT = 8

admin.site.index_title = "Overview"


class MemberInline(CourseScoping, TabularInline):
    model = Membership
    verbose_name_plural = "members"
    fields = ("member", "person", "role", "is_active")
    readonly_fields = ("member", "person")
    template_after = "admin/accounts/course/members.html"
    per_page = 25
    extra = 0
    tab = True
    can_delete = False
    hide_title = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("user", "course")

    @admin.display(description="external ID")
    def member(self, member: Membership) -> SafeString:
        address = reverse("admin:accounts_membership_change", args=[member.pk])
        return format_html('<a class="stoa-link" href="{}">{}</a>', address, member.external_id)

    @admin.display(description="name")
    def person(self, member: Membership) -> str:
        return str(member.user)


class AllowanceForm(ModelForm):  # type: ignore[type-arg]  # not subscriptable at runtime
    """Checks that the fallback model exists, since the quotas app does not know the models."""

    def clean_fallback_model(self) -> str:
        name = str(self.cleaned_data["fallback_model"])
        if name and not Model.objects.filter(name=name).exists():
            raise ValidationError(f"There is no model “{name}”.")
        return name


class CheckedAllowanceInline(AllowanceInline):
    form = AllowanceForm


@admin.register(QuotaPolicy)
class CheckedQuotaPolicyAdmin(QuotaPolicyAdmin):
    form = AllowanceForm


@admin.register(Course)
class CourseAdmin(CourseScoped):
    empty_text = "Add a course, give it an allowance and a model, then add its members and issue their keys."
    list_display = ("title_shown", "slug", "open", "member_count", "rule_count", "week", "logging")
    list_filter = (("is_open", BooleanRadioFilter), ("logging", ChoicesDropdownFilter))
    search_fields = ("slug", "title")
    search_help_text = "Title or short name"
    inlines = (CheckedAllowanceInline, RuleInline, RuleSettingsInline, CourseModelInline, MemberInline)
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
                factor=Subquery(boosts.order_by("-factor").values("factor")[:1]),
                members_total=Subquery(members.annotate(count=Count("pk")).values("count")),
                rules_total=Subquery(rules.annotate(count=Count("pk")).values("count")),
            )
        )

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_operator(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_operator(request)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        main = ("title", "slug", "is_open", "logging")
        return (
            (None, {"fields": main if obj is None else (*main, "week")}),
            ("Week", {"fields": ("timezone", "week_starts")}),
            (
                "Where data goes",
                {
                    "fields": ("hosting", "region"),
                    "description": "Prompts go to no provider farther away, even if no other can answer.",
                },
            ),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Only operators may change the short name, which files and URLs elsewhere refer to."""
        return self.readonly_fields if is_operator(request) else (*self.readonly_fields, "slug")

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        return self.prepopulated_fields if obj is None else {}

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return [inline for inline in self.inlines if obj is not None or inline is not MemberInline]

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Record the author of rules that are changed here, as everywhere."""
        if formset.model is Rule:
            for row in formset.forms:
                row.instance.signed(by=request.user)
        super().save_formset(request, form, formset, change)

    @admin.display(description="course", ordering="title")
    def title_shown(self, course: Course) -> str:
        return str(course)

    @admin.display(description="open", ordering="is_open")
    def open(self, course: Course) -> SafeString:
        return badge("open", "good") if course.is_open else badge("closed", "bad", "Every call is refused")

    @admin.display(description="members", ordering="members_total")
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


def running_weeks() -> Any:
    now = timezone.now()
    return WeeklyUsage.objects.filter(starts_at__lte=now, ends_at__gt=now)


def week_of(course: Any) -> SafeString:
    policy = getattr(course, "quota_policy", None)
    if policy is None:
        return badge("no allowance", "bad", "Every call is refused until the course has an allowance")
    limit = policy.weekly_tokens
    if limit is not None:
        limit = multiplied(limit, course.factor or Decimal(1)) + (course.granted or 0)
    return share(used=course.used or 0, held=course.held or 0, limit=limit)


# The sidebar

GROUPS: tuple[tuple[str, tuple[tuple[str, str, Any], ...]], ...] = (
    (
        "Teaching",
        (
            ("Courses", "school", Course),
            ("Members", "group", Membership),
            ("API keys", "key", "accounts.ApiKey"),
            ("Allowances", "speed", QuotaPolicy),
            ("Allowances of roles", "badge", RoleAllowance),
            ("Boosts", "rocket_launch", Boost),
            ("Overrides", "tune", Override),
            ("Requests for more", "front_hand", AllowanceRequest),
            ("Rules", "gavel", Rule),
        ),
    ),
    (
        "Conversations",
        (("Conversations", "forum", Thread), ("Calls", "receipt_long", Call), ("Appeals", "balance", Appeal)),
    ),
    (
        "Accounting",
        (
            ("Weekly usage", "calendar_month", WeeklyUsage),
            ("Ledger entries", "account_balance_wallet", LedgerEntry),
            ("Holds", "hourglass_top", Hold),
        ),
    ),
    (
        "Operation",
        (
            ("Providers", "cloud", "providers.Provider"),
            ("Models", "neurology", "providers.Model"),
            ("Deployments", "lan", "providers.Deployment"),
            ("Provider events", "ecg_heart", "providers.ProviderEvent"),
            ("Users", "manage_accounts", "accounts.User"),
            ("Institution", "account_balance", Institution),
            ("Dead letters", "mail_off", DeadLetter),
            ("Jobs", "pending_actions", "common.Job"),
        ),
    ),
)


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The pages that this person may see."""
    groups = [{"title": title, "items": _items(request, rows)} for title, rows in GROUPS]
    overview = {"title": "Overview", "icon": "dashboard", "link": reverse("admin:index")}
    return [{"title": "", "items": [overview]}, *(group for group in groups if group["items"])]


def _items(request: HttpRequest, rows: Any) -> list[dict[str, Any]]:
    pages = {model._meta.label: page for model, page in admin.site._registry.items()}
    named = [(title, icon, row if isinstance(row, str) else row._meta.label) for title, icon, row in rows]
    return [
        {"title": title, "icon": icon, "link": _list_of(pages[label])}
        for title, icon, label in named
        if pages[label].has_module_permission(request)
    ]


def _list_of(page: Any) -> str:
    return reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_changelist")


# The first page


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Recent activity in the courses that this person sees: a few rows each, all found by index."""
    threads = Thread.objects.all() if is_operator(request) else Thread.objects.filter(course__in=seen_courses(request))
    return {
        **context,
        "courses": [(course, week_of(course)) for course in _courses(request)[:RECENT]],
        "threads": threads.select_related("course", "membership__user")[:RECENT],
        "hits": _latest_hits(request),
        "base_url": request.build_absolute_uri("/v1"),
        "appeals": Appeal.objects.for_staff(request.user).open().count(),
        "requests": AllowanceRequest.objects.for_staff(request.user).open().count(),
        "dead_letters": DeadLetter.objects.count() if is_operator(request) else 0,
        "alarms": alarms() if is_operator(request) else None,
    }


def _latest_hits(request: HttpRequest) -> Any:
    hits = RuleHit.objects.order_by("-pk")
    if not is_operator(request):
        hits = hits.filter(rule__in=list(Rule.objects.for_staff(request.user).values_list("pk", flat=True)))
    latest = list(hits.values_list("pk", flat=True)[:RECENT])
    return (
        RuleHit.objects.filter(pk__in=latest).select_related("call__membership__user", "call__course").order_by("-pk")
    )


def _courses(request: HttpRequest) -> Any:
    return admin.site._registry[Course].get_queryset(request).filter(Q(is_open=True))
