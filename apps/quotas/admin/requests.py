"""The admin queue of requests for more. The page of a request can grant another amount than was asked for."""

from collections.abc import Iterable
from typing import Any, ClassVar
from uuid import uuid4

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Case, Count, QuerySet, Value, When
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
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
from apps.quotas.admin.grants import beyond, tell_granted, way_back
from apps.quotas.models import AllowanceRequest
from apps.quotas.models.requests import MOST_TOKENS
from apps.quotas.policies import Policies
from apps.quotas.policy_snapshot import load_policies
from apps.quotas.standing import MemberStanding

LIST = "admin:quotas_allowancerequest_changelist"
PAGE = "admin:quotas_allowancerequest_change"
MOST_SORTED = 300  # open requests that are sorted by need; later ones follow


def decided_by_another(row: AllowanceRequest) -> str:
    """What a colleague decided in the meantime."""
    row.refresh_from_db()
    who, what = row.decided_by or "Somebody who has left", str(row.state)
    amount = f" {_tokens(row.granted_tokens)}" if row.granted_tokens is not None else ""
    return f"{who} {what}{amount} in the meantime: “{row.answer}” Nothing was changed."


def grant_one(
    request: HttpRequest, row: AllowanceRequest, *, tokens: int, answer: str = "", back: str, asks: bool = True
) -> str:
    """Grant, and say so. Returns a question instead if the course has less left than that, unless it `asks` no more."""
    now, course, once = timezone.now(), row.membership.course, uuid4()
    if asks and row.state == AllowanceRequest.State.OPEN and (question := beyond(course, tokens=tokens, now=now)):
        return question
    try:
        done = requests.grant(row, by=user_of(request), now=now, tokens=tokens, answer=answer, once=once)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return ""
    if done:
        said = f"{_tokens(tokens)} granted to {row.membership.person}, live within two seconds."
        tell_granted(request, course, said, id=once, back=back)
    else:
        messages.warning(request, decided_by_another(row))
    return ""


def decline_one(request: HttpRequest, row: AllowanceRequest, *, answer: str) -> None:
    try:
        done = requests.decline(row, by=user_of(request), now=timezone.now(), answer=answer)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return
    if done:
        messages.success(request, f"Declined. {row.membership.person} reads your sentence.")
    else:
        messages.warning(request, decided_by_another(row))


@admin.register(AllowanceRequest)
class AllowanceRequestAdmin(PetitionAdmin, SearchedByMember):
    """A row's button decides its request, an action decides all selected ones, and a request's page shows details."""

    course_path = "membership__course"
    empty_text = "Students who need more tokens this week can ask for them. What they ask waits here for your answer."
    list_display = ("student", "asked", "left", "asked_before", "why", "asked_when", "decide")
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

    def get_ordering(self, request: HttpRequest) -> Any:
        """The list begins with open requests, by what their students have left. Bounded: each takes a condition."""
        if request.resolver_match is None or not str(request.resolver_match.url_name).endswith("_changelist"):
            return self.ordering
        kept: list[Any] | None = request.__dict__.get("_stoa_by_need")
        if kept is None:
            rows = AllowanceRequest.objects.for_staff(request.user).open().order_by("pk")
            asked = list(rows.select_related("membership__user", "membership__course")[:MOST_SORTED])
            by_need = sorted(with_standing(asked, policies_of(request)), key=need)
            places = [When(pk=row.pk, then=Value(place)) for place, row in enumerate(by_need)]
            kept = [Case(*places, default=Value(len(places)))] if places else []
            request.__dict__["_stoa_by_need"] = kept
        return (*kept, *self.ordering)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        changelist.result_list = with_standing(changelist.result_list, policies_of(request))
        return changelist

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        row = super().get_object(request, object_id, from_field)
        return with_standing([row])[0]

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
        now, course, given = timezone.now(), row.membership.course, request.GET.get("tokens", "")
        amount = int(given) if given.isascii() and given.isdigit() and len(given) < 13 else row.tokens
        context = {
            **(extra_context or {}),
            "may_decide": may_decide,
            "longest": AllowanceRequest.LONGEST,
            "most": MOST_TOKENS,
            "course": course,
            "amount": amount,
            "rest": standing.whole_course(course, now=now),
            "question": beyond(course, tokens=amount, now=now) if given else "",
        }
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
        back = way_back(request, row.membership.course)
        if verb == "decline":
            decline_one(request, row, answer=answer)
            return HttpResponseRedirect(back if answer.strip() else reverse(PAGE, args=[row.pk]))
        asks = "beyond" not in request.POST
        if question := grant_one(request, row, tokens=tokens, answer=answer, back=back, asks=asks):
            return self._ask(request, row, question, tokens=tokens, answer=answer)
        return HttpResponseRedirect(back)

    def _ask(
        self, request: HttpRequest, row: AllowanceRequest, question: str, *, tokens: int, answer: str
    ) -> HttpResponse:
        """Whether to grant more than the course has left."""
        context = {
            **self.admin_site.each_context(request),
            "title": f"Grant {_tokens(tokens)}",
            "row": row,
            "course": row.membership.course,
            "question": question,
            "tokens": tokens,
            "answer": answer,
            "back": way_back(request, row.membership.course),
        }
        return TemplateResponse(request, "admin/quotas/allowancerequest/beyond.html", context).render()

    # The list

    def get_list_display(self, request: HttpRequest) -> Any:
        """People who may not decide get no buttons."""
        may_decide = self.has_change_permission(request)
        return [name for name in super().get_list_display(request) if may_decide or name != "decide"]

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
    def decline_chosen(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Asks for one sentence, which all of them read."""
        rows = list(self._chosen(request, queryset))
        answer = request.POST.get("answer", "").strip()[: AllowanceRequest.LONGEST]
        if not answer:
            context = {
                **self.admin_site.each_context(request),
                "title": "Decline",
                "rows": rows,
                "longest": AllowanceRequest.LONGEST,
            }
            return TemplateResponse(request, "admin/quotas/allowancerequest/decline.html", context).render()
        now = timezone.now()
        done = [requests.decline(row, by=user_of(request), now=now, answer=answer) for row in rows]
        self._tell(request, "declined", done)
        return None

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

    @admin.display(description="asked before")
    def asked_before(self, request: Any) -> str:
        return f"{request.earlier} ×" if request.earlier else "never"

    @admin.display(description="decide")
    def decide(self, request: AllowanceRequest) -> SafeString | str:
        if request.state != AllowanceRequest.State.OPEN:
            return ""
        amount, meaning = suggested(request)
        page, here = reverse(PAGE, args=[request.pk]), reverse(LIST)
        return format_html(
            '<span><span class="stoa-row-buttons"><button type="submit" class="stoa-button" formaction="{}?next={}"'
            ' name="tokens" value="{}" title="Grant {} for {}, this week">Grant {}</button>'
            '<a class="stoa-button" href="{}#answer">Decline…</a></span>'
            '<small class="stoa-sub">{} · <a class="stoa-link" href="{}">Other amount</a></small></span>',
            reverse("admin:quotas_allowancerequest_grant", args=[request.pk]),
            here,
            amount,
            _tokens(amount),
            request.membership.person,
            number(amount),
            page,
            meaning,
            page,
        )


def policies_of(request: HttpRequest) -> Policies:
    """Read once for a page."""
    kept: Policies = request.__dict__.setdefault("_stoa_policies", None) or load_policies()
    request.__dict__["_stoa_policies"] = kept
    return kept


def need(request: Any) -> tuple[bool, int, int]:
    """Who has least left comes first, and then who has waited longest."""
    left = request.standing.left
    return left is None, left or 0, request.pk


def suggested(request: Any) -> tuple[int, str]:
    """What a button grants, and what that is: what was asked for, but half a week at most."""
    week = request.standing.limit or request.standing.base
    half = max(week // 2, 1)
    if request.tokens <= half or not week:
        return request.tokens, "what was asked for"
    return half, "half a week"


def _tokens(amount: int) -> str:
    return f"{number(amount)} token" if amount == 1 else f"{number(amount)} tokens"


def with_standing(asked: Iterable[AllowanceRequest], policies: Policies | None = None) -> list[Any]:
    """The same rows, each with its student's standing this week."""
    rows: list[Any] = list(asked)
    found = standing.of_members([row.membership for row in rows], now=timezone.now(), policies=policies)
    counts = AllowanceRequest.objects.filter(membership__in=[row.membership_id for row in rows]).order_by()
    asked_so_often = dict(counts.values_list("membership").annotate(count=Count("pk")))
    for row, own in zip(rows, found, strict=True):
        row.standing = own
        row.earlier = asked_so_often[row.membership_id] - 1
    return rows
