"""Allowances beyond everybody's: of roles, by boosts and overrides, and on request."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from apps.accounts.scoping import CourseFilter, CourseScoped, MemberCourseFilter
from apps.common.admin import Choice
from apps.common.display import NOTHING, badge, moment, number
from apps.quotas.admin_requests import DecidedOnItsPage
from apps.quotas.models import AllowanceRequest, Boost, Override, RoleAllowance

BY_MEMBER = (
    "membership__external_id",
    "membership__user__email",
    "membership__user__first_name",
    "membership__user__last_name",
)
BY_MEMBER_HELP = "Reason, external ID, name or e-mail"


@admin.register(RoleAllowance)
class RoleAllowanceAdmin(CourseScoped):
    empty_text = "Assistants and instructors have the allowance of students until their role has one of its own here."
    list_display = ("__str__", "course", "each", "requests_per_minute", "concurrent_requests", "tokens_per_minute")
    list_filter = (CourseFilter, ("role", ChoicesDropdownFilter))
    list_select_related = ("course",)
    search_fields = ("course__slug", "course__title", "role")
    search_help_text = "Course or role"
    autocomplete_fields = ("course",)
    fields = ("course", "role", "weekly_tokens", "requests_per_minute", "concurrent_requests", "tokens_per_minute")

    @admin.display(description="each, per week", ordering="weekly_tokens")
    def each(self, allowance: RoleAllowance) -> str:
        return "as students" if allowance.weekly_tokens is None else number(allowance.weekly_tokens)


class PeriodFilter(Choice):
    """By whether it counts at the moment, could count later, or is over."""

    title = "state"
    parameter_name = "state"

    def options(self, request: HttpRequest) -> list[tuple[str, str]]:
        return [("active", "In force"), ("coming", "To come"), ("over", "Over")]

    def narrow(self, queryset: Any, value: str, request: HttpRequest) -> Any:
        now = timezone.now()
        unfinished = queryset.unfinished(now=now)
        if value == "over":
            return queryset.exclude(pk__in=unfinished.values("pk"))
        return unfinished.filter(starts_at__lte=now) if value == "active" else unfinished.filter(starts_at__gt=now)


class DecisionAdmin(CourseScoped):
    """Decisions are made here and ended here. Nobody edits or deletes one: what it did is in the ledger."""

    actions = ("end_now",)
    readonly_fields: ClassVar[tuple[str, ...]] = ("state", "author", "created", "ended")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and super().has_change_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_fields(request, obj)
        return [name for name in fields if obj is not None or name not in self.readonly_fields]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"starts_at": timezone.now(), **super().get_changeform_initial_data(request)}

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        obj.give(by=request.user, now=timezone.now())

    @admin.action(description="End now", permissions=("change",))
    def end_now(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        now = timezone.now()
        ended = [row.end(by=request.user, now=now) for row in self.changeable(request, queryset)]
        self.message_user(request, f"{sum(ended)} ended. Limits follow within two seconds.")

    @admin.display(description="state")
    def state(self, decision: Any) -> SafeString:
        now = timezone.now()
        if decision.is_over(now=now):
            return badge("over")
        return badge("in force", "good") if decision.is_active(now=now) else badge("to come", "info")

    @admin.display(description="from (UTC)", ordering="starts_at")
    def starts(self, decision: Any) -> str:
        return moment(decision.starts_at)

    @admin.display(description="until (UTC)", ordering="ends_at")
    def ends(self, decision: Any) -> str:
        return moment(decision.ended_at or decision.ends_at)

    @admin.display(description="decided (UTC)", ordering="created_at")
    def created(self, decision: Any) -> str:
        return moment(decision.created_at)

    @admin.display(description="ended early (UTC)")
    def ended(self, decision: Any) -> str:
        return moment(decision.ended_at)


@admin.register(Boost)
class BoostAdmin(DecisionAdmin):
    empty_text = "A boost multiplies what each student may use until a deadline. Add one for a busy week."
    list_display = ("__str__", "course", "state", "starts", "ends", "reason", "author")
    list_filter = (CourseFilter, PeriodFilter)
    list_select_related = ("course", "author")
    search_fields = ("course__slug", "course__title", "reason")
    search_help_text = "Course or reason"
    autocomplete_fields = ("course",)
    fields = (
        "course",
        "factor",
        "multiplies_course",
        "starts_at",
        "ends_at",
        "reason",
        *DecisionAdmin.readonly_fields,
    )


@admin.register(Override)
class OverrideAdmin(DecisionAdmin):
    course_path = "membership__course"
    empty_text = "An override gives one student another allowance than everybody, until a day that you set."
    list_display = ("student", "course", "tokens", "state", "starts", "ends", "reason", "author")
    list_filter = (MemberCourseFilter, PeriodFilter)
    list_select_related = ("membership__user", "membership__course", "author")
    search_fields = (*BY_MEMBER, "reason")
    search_help_text = BY_MEMBER_HELP
    autocomplete_fields = ("membership",)
    fields = ("membership", "weekly_tokens", "starts_at", "ends_at", "reason", *DecisionAdmin.readonly_fields)

    @admin.display(description="student", ordering="membership__external_id")
    def student(self, override: Override) -> str:
        return f"{override.membership.external_id} · {override.membership.user}"

    @admin.display(description="course", ordering="membership__course")
    def course(self, override: Override) -> str:
        return str(override.membership.course)

    @admin.display(description="per week", ordering="weekly_tokens")
    def tokens(self, override: Override) -> str:
        return "no limit" if override.weekly_tokens is None else number(override.weekly_tokens)


@admin.register(AllowanceRequest)
class AllowanceRequestAdmin(DecidedOnItsPage, CourseScoped):
    """The queue. A click in a row decides that request, an action all that are chosen."""

    course_path = "membership__course"
    empty_text = "Students who need more tokens this week can ask for them. What they ask waits here for your answer."
    kinds: ClassVar[dict[str, str]] = {"open": "warning", "granted": "good", "declined": ""}
    list_display = ("student", "course", "asked", "why", "shown_state", "when", "decide")
    list_filter = (MemberCourseFilter, ("state", ChoicesDropdownFilter))
    list_select_related = ("membership__user", "membership__course", "decided_by")
    search_fields = (*BY_MEMBER, "reason")
    search_help_text = BY_MEMBER_HELP
    ordering = ("-state", "-pk")  # open ones first
    actions = ("grant_chosen", "decline_chosen")
    fields = (
        "student", "course", "asked", "reason", "shown_state", "granted", "answer", "decided_by", "when", "decided",
    )  # fmt: skip
    readonly_fields = ("student", "course", "asked", "shown_state", "granted", "when", "decided")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and super().has_change_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """A row's button sends the form of the list with the row's key."""
        for name, decide in (("grant", self.grant_chosen), ("decline", self.decline_chosen)):
            if request.method == "POST" and request.POST.get(name, "").isdecimal():
                decide(request, self.get_queryset(request).filter(pk=int(request.POST[name])))
                return HttpResponseRedirect(request.get_full_path())
        return super().changelist_view(request, extra_context)

    @admin.action(description="Grant what was asked for", permissions=("change",))
    def grant_chosen(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        now = timezone.now()
        self._tell(request, "granted", [row.grant(by=request.user, now=now) for row in self._chosen(request, queryset)])

    @admin.action(description="Decline", permissions=("change",))
    def decline_chosen(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        now = timezone.now()
        done = [row.decline(by=request.user, now=now) for row in self._chosen(request, queryset)]
        self._tell(request, "declined", done)

    def _chosen(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return self.changeable(request, queryset).select_related("membership__course")

    def _tell(self, request: HttpRequest, what: str, done: list[bool]) -> None:
        late = len(done) - sum(done)
        self.message_user(request, f"{sum(done)} {what}. The students see it in their usage.", messages.SUCCESS)
        if late:
            self.message_user(request, f"{late} had been decided already and stay as they are.", messages.WARNING)

    @admin.display(description="student", ordering="membership__external_id")
    def student(self, request: AllowanceRequest) -> SafeString:
        address = reverse("admin:quotas_student", args=[request.membership_id])
        words = f"{request.membership.external_id} · {request.membership.user}"
        return format_html('<a class="stoa-link" href="{}">{}</a>', address, words)

    @admin.display(description="course", ordering="membership__course")
    def course(self, request: AllowanceRequest) -> str:
        return str(request.membership.course)

    @admin.display(description="asked for", ordering="tokens")
    def asked(self, request: AllowanceRequest) -> str:
        return number(request.tokens)

    @admin.display(description="why")
    def why(self, request: AllowanceRequest) -> SafeString:
        return format_html('<span class="stoa-clip" title="{}">{}</span>', request.reason, request.reason)

    @admin.display(description="state", ordering="state")
    def shown_state(self, request: AllowanceRequest) -> SafeString:
        return badge(request.state, self.kinds[request.state], moment(request.decided_at))

    @admin.display(description="granted")
    def granted(self, request: AllowanceRequest) -> str:
        return NOTHING if request.granted_tokens is None else number(request.granted_tokens)

    @admin.display(description="asked (UTC)", ordering="created_at")
    def when(self, request: AllowanceRequest) -> str:
        return moment(request.created_at)

    @admin.display(description="decided (UTC)")
    def decided(self, request: AllowanceRequest) -> str:
        return moment(request.decided_at)

    @admin.display(description="decide")
    def decide(self, request: AllowanceRequest) -> SafeString | str:
        if request.state != AllowanceRequest.State.OPEN:
            return ""
        button = '<button type="submit" class="stoa-button {}" name="{}" value="{}">{}</button>'
        both = f'<span class="stoa-row-buttons">{button}{button}</span>'
        return format_html(both, "primary", "grant", request.pk, "Grant", "", "decline", request.pk, "Decline")
