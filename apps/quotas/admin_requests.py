"""The queue of students' requests for more tokens."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from apps.accounts.scoping import CourseScoped, MemberCourseFilter
from apps.common.admin import ReadOnly
from apps.common.display import badge, moment, number
from apps.quotas.models import AllowanceRequest

STATE_KINDS = {"open": "warning", "granted": "good", "declined": ""}


@admin.register(AllowanceRequest)
class AllowanceRequestAdmin(ReadOnly, CourseScoped):
    """Requests are written by students and decided by staff; nobody edits one."""

    course_path = "membership__course"
    empty_text = "No student has asked for more tokens. They ask with POST /v1/usage/requests, and you decide here."
    list_display = ("student", "course", "asks_for", "reason_shown", "shown_state", "made", "buttons")
    list_filter = (MemberCourseFilter, ("state", ChoicesDropdownFilter))
    list_select_related = ("membership__user", "membership__course", "decided_by")
    search_fields = ("membership__external_id", "membership__user__email", "membership__user__last_name", "reason")
    search_help_text = "External ID, e-mail, name or reason"
    actions = ("grant_all", "decline_all")
    ordering = ("-state", "-id")  # open ones first: the letters happen to allow it, and the tests would notice
    sortable_by = ()
    fields = ("student", "course", "asks_for", "reason", "shown_state", "made", "granted_tokens", "answer", "decided")
    readonly_fields = fields
    change_form_after_template = "admin/quotas/allowancerequest/decide.html"

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return super(ReadOnly, self).has_change_permission(request)

    def get_urls(self) -> Any:
        decide = self.admin_site.admin_view(self.decide)
        return [
            path(f"<int:request_id>/{verb}/", decide, {"verb": verb}, name=f"quotas_allowancerequest_{verb}")
            for verb in ("grant", "decline")
        ] + super().get_urls()

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        row = self.get_object(request, object_id)
        may = row is not None and self._may_decide(request, row) and row.state == AllowanceRequest.State.OPEN
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "may_decide": may})

    def decide(self, request: HttpRequest, request_id: int, verb: str) -> HttpResponse:
        """One click in the list, or the form on the request's own page."""
        row = self.get_queryset(request).filter(pk=request_id).first()
        if row is None or not self._may_decide(request, row):
            raise Http404
        listed = reverse("admin:quotas_allowancerequest_changelist")
        if request.method != "POST":
            return HttpResponseRedirect(reverse("admin:quotas_allowancerequest_change", args=[row.pk]))
        amount, answer = request.POST.get("tokens", "").strip(), request.POST.get("answer", "").strip()[:1000]
        if amount and not (amount.isascii() and amount.isdigit() and 0 < int(amount[:16]) <= 10**15):
            messages.error(request, "Write how many tokens to grant as a whole number, such as 5000.")
            return HttpResponseRedirect(reverse("admin:quotas_allowancerequest_change", args=[row.pk]))
        if verb == "grant":
            given = int(amount) if amount else row.tokens
            done = row.grant(by=request.user, now=timezone.now(), tokens=given, answer=answer)
            said = f"{number(given)} tokens granted to {row.membership.user}, live within two seconds."
        else:
            done = row.decline(by=request.user, now=timezone.now(), answer=answer)
            said = f"Declined. {row.membership.user} sees it under /v1/usage."
        messages.success(request, said if done else "This request had been decided before; nothing was changed.")
        return HttpResponseRedirect(listed)

    def _may_decide(self, request: HttpRequest, row: AllowanceRequest) -> bool:
        return bool(super(ReadOnly, self).has_change_permission(request, row))

    @admin.display(description="student")
    def student(self, row: AllowanceRequest) -> SafeString:
        address = reverse("admin:quotas_student", args=[row.membership_id])
        return format_html(
            '<a class="stoa-link" href="{}">{}</a> · {}', address, row.membership.external_id, row.membership.user
        )

    @admin.display(description="course")
    def course(self, row: AllowanceRequest) -> str:
        return str(row.membership.course)

    @admin.display(description="asks for")
    def asks_for(self, row: AllowanceRequest) -> str:
        return f"{number(row.tokens)} tokens"

    @admin.display(description="reason")
    def reason_shown(self, row: AllowanceRequest) -> SafeString:
        return format_html('<span class="stoa-clip" title="{}">{}</span>', row.reason, row.reason)

    @admin.display(description="state")
    def shown_state(self, row: AllowanceRequest) -> SafeString:
        return badge(row.get_state_display(), STATE_KINDS[row.state])

    @admin.display(description="asked (UTC)")
    def made(self, row: AllowanceRequest) -> str:
        return moment(row.created_at)

    @admin.display(description="decided")
    def decided(self, row: AllowanceRequest) -> str:
        return f"{moment(row.decided_at)} by {row.decided_by}" if row.decided_at else "not yet"

    @admin.display(description="")
    def buttons(self, row: AllowanceRequest) -> SafeString | str:
        """They send the list's own form, and its token against forgery with it."""
        if row.state != AllowanceRequest.State.OPEN:
            return ""
        grant = reverse("admin:quotas_allowancerequest_grant", args=[row.pk])
        decline = reverse("admin:quotas_allowancerequest_decline", args=[row.pk])
        return format_html(
            '<span class="stoa-row-buttons"><button class="stoa-button primary" type="submit" formaction="{}" '
            'formnovalidate>Grant</button><button class="stoa-button" type="submit" formaction="{}" formnovalidate>'
            "Decline</button></span>",
            grant,
            decline,
        )

    @admin.action(description="Grant what they ask for", permissions=("decide",))
    def grant_all(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        rows = list(self.changeable(request, queryset).select_related("membership__course", "membership__user"))
        done = sum(row.grant(by=request.user, now=timezone.now()) for row in rows)
        self.message_user(request, f"{done} granted. Live within two seconds.")

    @admin.action(description="Decline", permissions=("decide",))
    def decline_all(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        rows = list(self.changeable(request, queryset).select_related("membership__course", "membership__user"))
        done = sum(row.decline(by=request.user, now=timezone.now()) for row in rows)
        self.message_user(request, f"{done} declined.")
