"""The admin queue of requests for more. The page of a request can grant another amount than was asked for."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from apps.accounts.admin.petitions import PetitionAdmin
from apps.accounts.permissions import Verb
from apps.accounts.scoping import MemberCourseFilter, SearchedByMember
from apps.common.display import NOTHING, moment, number, when
from apps.quotas import requests, standing
from apps.quotas.admin.access import user_of
from apps.quotas.admin.decisions import BY_MEMBER_HELP
from apps.quotas.admin.forms import AnswerForm
from apps.quotas.models import AllowanceRequest
from apps.quotas.models.requests import MOST_TOKENS
from apps.quotas.standing import MemberStanding

LIST = "admin:quotas_allowancerequest_changelist"
PAGE = "admin:quotas_allowancerequest_change"


def _decide(request: HttpRequest, row: AllowanceRequest, verb: str, *, tokens: int, answer: str) -> None:
    now, by = timezone.now(), user_of(request)
    if verb == "grant":
        try:
            done = requests.grant(row, by=by, now=now, tokens=tokens, answer=answer)
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
            return
        said = f"{_tokens(tokens)} granted to {row.membership.person}, live within two seconds."
    else:
        done = requests.decline(row, by=by, now=now, answer=answer)
        said = f"Declined. {row.membership.person} sees it in their usage."
    messages.success(request, said if done else "This request had been decided before; nothing was changed.")


@admin.register(AllowanceRequest)
class AllowanceRequestAdmin(PetitionAdmin, SearchedByMember):
    """A row's button decides its request, an action decides all selected ones, and a request's page shows details."""

    course_path = "membership__course"
    empty_text = "Students who need more tokens this week can ask for them. What they ask waits here for your answer."
    list_display = ("student", "asked", "left", "why", "asked_when", "decide")
    list_display_links = ("asked",)
    list_filter = (MemberCourseFilter, ("state", ChoicesDropdownFilter))
    list_select_related = ("membership__user", "membership__course", "decided_by")
    search_fields = ("reason",)
    search_help_text = BY_MEMBER_HELP
    ordering = ("-state", "-pk")  # open ones first
    actions = ("grant_chosen", "decline_chosen")
    fields = ("student", "asked", "left", "reason", "when", "shown_state")
    after: ClassVar[tuple[str, ...]] = ("granted", "answer", "decided_by", "decided")
    readonly_fields = ("student", "asked", "left", "shown_state", "granted", "when", "decided")
    change_form_after_template = "admin/quotas/allowancerequest/decide.html"

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        is_open = obj is None or obj.state == AllowanceRequest.State.OPEN
        return self.fields if is_open else (*self.fields, *self.after)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        changelist.result_list = _with_standing(changelist.result_list)
        return changelist

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        row = super().get_object(request, object_id, from_field)
        return _with_standing([row])[0]

    # One request

    def get_urls(self) -> Any:
        decide = self.admin_site.admin_view(self.decide_one)
        return [
            path(f"<int:request_id>/{verb}/", decide, {"verb": verb}, name=f"quotas_allowancerequest_{verb}")
            for verb in ("grant", "decline")
        ] + super().get_urls()

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        row = self.get_object(request, object_id)
        may_decide = self.may(request, Verb.ACT, row) and row.state == AllowanceRequest.State.OPEN
        bounds = {"longest": AllowanceRequest.LONGEST, "most": MOST_TOKENS}
        context = {**(extra_context or {}), "may_decide": may_decide, **bounds}
        return super().change_view(request, object_id, form_url, context)

    def decide_one(self, request: HttpRequest, request_id: int, verb: str) -> HttpResponse:
        row = self.get_queryset(request).filter(pk=request_id).first()
        if row is None or not self.may(request, Verb.ACT, row):
            raise Http404
        if request.method != "POST":
            return HttpResponseRedirect(reverse(PAGE, args=[row.pk]))
        form = AnswerForm(request.POST, asks_amount=verb == "grant")
        if not form.is_valid():
            for name, errors in form.errors.items():
                messages.error(request, f"{form.fields[name].label}: {errors[0]}")
            return HttpResponseRedirect(reverse(PAGE, args=[row.pk]))
        answer, tokens = form.cleaned_data["answer"], form.cleaned_data.get("tokens") or row.tokens
        _decide(request, row, verb, tokens=tokens, answer=answer)
        return HttpResponseRedirect(reverse(LIST))

    # The list

    def get_list_display(self, request: HttpRequest) -> Any:
        """People who may not decide get no buttons."""
        may_decide = self.has_change_permission(request)
        return [name for name in super().get_list_display(request) if may_decide or name != "decide"]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """A row's button submits the list's form with the row's key."""
        for name, decide in (("grant", self.grant_chosen), ("decline", self.decline_chosen)):
            key = request.POST.get(name, "")
            if key.isdecimal() and len(key) < 19:  # fits the database's integers
                if not self.has_change_permission(request):
                    raise PermissionDenied
                decide(request, self.get_queryset(request).filter(pk=int(key)))
                return HttpResponseRedirect(request.get_full_path())
        return super().changelist_view(request, extra_context)

    @admin.action(description="Grant what was asked for", permissions=("change",))
    def grant_chosen(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        now = timezone.now()
        try:
            with transaction.atomic():
                done = [requests.grant(row, by=user_of(request), now=now) for row in self._chosen(request, queryset)]
        except ValidationError as error:
            self.message_user(request, f"Nothing was granted. {' '.join(error.messages)}", messages.ERROR)
            return
        self._tell(request, "granted", done)

    @admin.action(description="Decline", permissions=("change",))
    def decline_chosen(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        now = timezone.now()
        done = [requests.decline(row, by=user_of(request), now=now) for row in self._chosen(request, queryset)]
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
        member = request.membership
        words = '<span><a class="stoa-link" href="{}">{} · {}</a><small class="stoa-sub">{}</small></span>'
        address = reverse("admin:quotas_student", args=[member.pk])
        return format_html(words, address, member.external_id, member.person, member.course)

    @admin.display(description="asked for", ordering="tokens")
    def asked(self, request: AllowanceRequest) -> str:
        return _tokens(request.tokens)

    @admin.display(description="left this week")
    def left(self, request: Any) -> str:
        """What is left of the student's own tokens, as calls see it."""
        own: MemberStanding = request.standing
        return "no limit" if own.left is None or own.limit is None else f"{number(own.left)} of {number(own.limit)}"

    @admin.display(description="why")
    def why(self, request: AllowanceRequest) -> SafeString:
        return format_html('<span class="stoa-lines" title="{}">{}</span>', request.reason, request.reason)

    @admin.display(description="state", ordering="state")
    def asked_when(self, request: AllowanceRequest) -> SafeString:
        words = '<span>{}<small class="stoa-sub stoa-number">{}</small></span>'
        return format_html(words, self.shown_state(request), moment(request.created_at))

    @admin.display(description="granted")
    def granted(self, request: AllowanceRequest) -> str:
        return NOTHING if request.granted_tokens is None else _tokens(request.granted_tokens)

    @admin.display(description="asked", ordering="created_at")
    def when(self, request: AllowanceRequest) -> str:
        return when(request.created_at)

    @admin.display(description="decided")
    def decided(self, request: AllowanceRequest) -> str:
        return when(request.decided_at)

    @admin.display(description="decide")
    def decide(self, request: AllowanceRequest) -> SafeString | str:
        if request.state != AllowanceRequest.State.OPEN:
            return ""
        button = '<button type="submit" class="stoa-button {}" name="{}" value="{}" title="{}">{}</button>'
        link = '<small class="stoa-sub"><a class="stoa-link" href="{}">Other amount, or answer</a></small>'
        what = f"{_tokens(request.tokens)} for {request.membership.person}, this week"
        return format_html(
            f'<span><span class="stoa-row-buttons">{button}{button}</span>{link}</span>',
            *("primary", "grant", request.pk, f"Grant {what}", "Grant"),
            *("", "decline", request.pk, f"Decline {what}", "Decline"),
            reverse(PAGE, args=[request.pk]),
        )


def _tokens(amount: int) -> str:
    return f"{number(amount)} token" if amount == 1 else f"{number(amount)} tokens"


def _with_standing(asked: Iterable[AllowanceRequest]) -> list[Any]:
    """The same rows, each with its student's standing this week."""
    rows: list[Any] = list(asked)
    found = standing.of_members([row.membership for row in rows], now=timezone.now())
    for row, own in zip(rows, found, strict=True):
        row.standing = own
    return rows
