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
from unfold.contrib.filters.admin import BooleanRadioFilter, ChoicesDropdownFilter

from apps.accounts.admin.departments import AddedByDepartments
from apps.accounts.admin.members import MemberInline, makes_staff
from apps.accounts.models import AuditEntry, Course, Membership
from apps.accounts.scoping import seen_courses
from apps.accounts.sign_in.step_up import step_up
from apps.common.admin import is_operator
from apps.common.display import badge, share
from apps.conversations.models import Appeal, Call, DeadLetter, RuleHit, Thread
from apps.providers.admin.models import CourseModelInline
from apps.providers.admin.standing import alarms
from apps.providers.models import Model
from apps.quotas.admin.policies import AllowanceInline, CeilingInline, QuotaPolicyAdmin
from apps.quotas.limits import lower, multiplied
from apps.quotas.models import AllowanceRequest, Boost, Ceiling, Institution, QuotaPolicy, WeeklyUsage
from apps.rules.admin.pages import RuleInline, RuleSettingsInline
from apps.rules.models import Rule

RECENT = 8
WEEK_HELP = "Another week begins with nothing used. So in a course with a ceiling, only operators change these two."

admin.site.index_title = "Overview"


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
    empty_text = "Add a course, give it an allowance and a model, then add its members and issue their keys."
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
        limit = multiplied(limit, course.factor or Decimal(1))
    limit = lower(limit, course.most)
    if limit is not None:
        limit += course.granted or 0
    return share(used=course.used or 0, held=course.held or 0, limit=limit)


# The sidebar

GROUPS: tuple[tuple[str, tuple[tuple[str, str, Any], ...]], ...] = (
    (
        "Teaching",
        (
            ("Courses", "school", Course),
            ("Members", "group", Membership),
            ("API keys", "key", "accounts.ApiKey"),
            ("Your keys", "vpn_key", "accounts.StaffKey"),
            ("Allowances", "speed", QuotaPolicy),
            ("Allowances of roles", "badge", "quotas.RoleAllowance"),
            ("Boosts", "rocket_launch", Boost),
            ("Overrides", "tune", "quotas.Override"),
            ("Requests for more", "front_hand", AllowanceRequest),
            ("Rules", "gavel", Rule),
        ),
    ),
    (
        "Conversations",
        (("Conversations", "forum", Thread), ("Calls", "receipt_long", Call), ("Appeals", "balance", Appeal)),
    ),
    (
        "Services",
        (
            ("Services at a glance", "monitoring", "services.Service/glance"),
            ("Services", "hub", "services.Service"),
            ("Service requests", "swap_horiz", "services.ServiceRecord"),
        ),
    ),
    (
        "Accounting",
        (
            ("Weekly usage", "calendar_month", WeeklyUsage),
            ("Ledger entries", "account_balance_wallet", "quotas.LedgerEntry"),
            ("Holds", "hourglass_top", "quotas.Hold"),
        ),
    ),
    (
        "Operation",
        (
            ("Audit log", "history", AuditEntry),
            ("Providers", "cloud", "providers.Provider"),
            ("Models", "neurology", "providers.Model"),
            ("Deployments", "lan", "providers.Deployment"),
            ("Provider events", "ecg_heart", "providers.ProviderEvent"),
            ("Users", "manage_accounts", "accounts.User"),
            ("Signed-in programs", "token", "accounts.TokenFamily"),
            ("Departments", "corporate_fare", "accounts.Department"),
            ("Issuers", "badge", "accounts.Issuer"),
            ("Grants of groups", "groups", "accounts.GroupGrant"),
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
    named = [(title, icon, *_named(row)) for title, icon, row in rows]
    items = [
        {"title": title, "icon": icon, "link": _address(pages[label], view)}
        for title, icon, label, view in named
        if pages[label].has_module_permission(request)
    ]
    # The longest one counts, since the address of a list begins those of all pages of its rows.
    here = max((item["link"] for item in items if request.path.startswith(item["link"])), key=len, default="")
    return [{**item, "active": item["link"] == here} for item in items]


def _named(row: Any) -> tuple[str, str]:
    """The model's label, and which of its pages is meant: its list, unless one is named behind a slash."""
    label, _, view = (row if isinstance(row, str) else row._meta.label).partition("/")
    return label, view or "changelist"


def shows_history(request: HttpRequest) -> bool:
    """The history of a row is its part of the audit log."""
    return admin.site._registry[AuditEntry].has_module_permission(request)


def _address(page: Any, view: str) -> str:
    return reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_{view}")


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
    rows = RuleHit.objects.filter(pk__in=latest).order_by("-pk")
    return rows.select_related("call__membership__user", "call__course")


def _courses(request: HttpRequest) -> Any:
    return admin.site._registry[Course].get_queryset(request).filter(Q(is_open=True))
