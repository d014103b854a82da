"""The admin queue of requests for more. The page of a request can grant another amount than was asked for."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.views.main import ORDER_VAR
from django.db.models import Case, QuerySet, Value, When
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from apps.accounts.admin.petitions import PetitionAdmin
from apps.accounts.permissions import Verb
from apps.accounts.scoping import MemberCourseFilter, SearchedByMember
from apps.common.display import NOTHING, moment, number, when
from apps.common.translation import lazy as _
from apps.quotas import standing
from apps.quotas.admin.answering import decline_all, decline_one, grant_all, grant_one, in_tokens
from apps.quotas.admin.decisions import BY_MEMBER_HELP
from apps.quotas.admin.forms import AnswerForm
from apps.quotas.admin.grants import beyond, way_back
from apps.quotas.admin.queue import in_order, policies_of, suggested, with_headings, with_standing
from apps.quotas.models import AllowanceRequest
from apps.quotas.models.requests import MOST_TOKENS
from apps.quotas.standing import MemberStanding

LIST = "admin:quotas_allowancerequest_changelist"
PAGE = "admin:quotas_allowancerequest_change"


@admin.register(AllowanceRequest)
class AllowanceRequestAdmin(PetitionAdmin, SearchedByMember):
    """A row's button decides its request, an action decides all selected ones, and a request's page shows details."""

    course_path = "membership__course"
    empty_text = _(
        "Students who need more tokens this week can ask for them. What they ask waits here for your answer."
    )
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
        """The list begins with open requests, by course and need. Bounded: each takes a condition."""
        if request.resolver_match is None or not str(request.resolver_match.url_name).endswith("_changelist"):
            return self.ordering
        kept: list[Any] | None = request.__dict__.get("_stoa_by_need")
        if kept is None:
            places = [When(pk=row.pk, then=Value(place)) for place, row in enumerate(in_order(request))]
            kept = [Case(*places, default=Value(len(places)))] if places else []
            request.__dict__["_stoa_by_need"] = kept
        return (*kept, *self.ordering)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        rows = with_standing(changelist.result_list, policies_of(request))
        changelist.result_list = rows if ORDER_VAR in request.GET else with_headings(rows)
        return changelist

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Read once for a page: the form asks for it again."""
        read = request.__dict__.setdefault("_stoa_requests", {})
        if object_id not in read or request.method != "GET":
            row = super().get_object(request, object_id, from_field)
            read[object_id] = with_standing([row], policies_of(request))[0]
        return read[object_id]

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
            "rest": standing.whole_course(course, now=now, policies=policies_of(request)),
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
            "title": gettext("Grant {tokens}").format(tokens=in_tokens(tokens)),
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

    @admin.action(description=_("Grant what was asked for"), permissions=("change",))
    def grant_chosen(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        grant_all(request, list(self._chosen(request, queryset)), back=reverse(LIST))

    @admin.action(description=_("Decline"), permissions=("change",))
    def decline_chosen(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Asks for one sentence, which all of them read."""
        rows = list(self._chosen(request, queryset))
        answer = request.POST.get("answer", "").strip()[: AllowanceRequest.LONGEST]
        if not answer:
            context = {
                **self.admin_site.each_context(request),
                "title": gettext("Decline"),
                "rows": rows,
                "longest": AllowanceRequest.LONGEST,
            }
            return TemplateResponse(request, "admin/quotas/allowancerequest/decline.html", context).render()
        decline_all(request, rows, answer=answer)
        return None

    def _chosen(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return self.changeable(request, queryset).select_related("membership__course")

    @admin.display(description=_("student"), ordering="membership__external_id")
    def student(self, request: Any) -> SafeString:
        member = request.membership
        words = '{}<span><a class="stoa-link" href="{}">{} · {}</a><small class="stoa-sub">{}</small></span>'
        address = reverse("admin:quotas_student", args=[member.pk])
        course = "" if getattr(request, "is_grouped", False) else member.course
        return format_html(words, _heading(request), address, member.external_id, member.person, course)

    @admin.display(description=_("asked for"), ordering="tokens")
    def asked(self, request: AllowanceRequest) -> str:
        return in_tokens(request.tokens)

    @admin.display(description=_("left this week"))
    def left(self, request: Any) -> str:
        """What is left of the student's own tokens, as calls see it."""
        own: MemberStanding = request.standing
        return (
            gettext("no limit")
            if own.left is None or own.limit is None
            else gettext("{left} of {limit}").format(left=number(own.left), limit=number(own.limit))
        )

    @admin.display(description=_("why"))
    def why(self, request: AllowanceRequest) -> SafeString:
        return format_html('<span class="stoa-lines" title="{}">{}</span>', request.reason, request.reason)

    @admin.display(description=_("asked"), ordering="created_at")
    def asked_when(self, request: AllowanceRequest) -> SafeString:
        words = '<span>{}<small class="stoa-sub stoa-number">{}</small></span>'
        return format_html(words, self.shown_state(request), moment(request.created_at))

    @admin.display(description=_("granted"))
    def granted(self, request: AllowanceRequest) -> str:
        return NOTHING if request.granted_tokens is None else in_tokens(request.granted_tokens)

    @admin.display(description=_("asked"), ordering="created_at")
    def when(self, request: AllowanceRequest) -> str:
        return when(request.created_at)

    @admin.display(description=_("decided"))
    def decided(self, request: AllowanceRequest) -> str:
        return when(request.decided_at)

    @admin.display(description=_("asked before"))
    def asked_before(self, request: Any) -> str:
        return f"{request.earlier} ×" if request.earlier else gettext("never")

    @admin.display(description=_("decide"))
    def decide(self, request: AllowanceRequest) -> SafeString | str:
        if request.state != AllowanceRequest.State.OPEN:
            return ""
        amount, meaning = suggested(request)
        page, here = reverse(PAGE, args=[request.pk]), reverse(LIST)
        return format_html(
            '<span><span class="stoa-row-buttons"><button type="submit" class="stoa-button" formaction="{}?next={}"'
            ' name="tokens" value="{}" title="{}">{}</button>'
            '<a class="stoa-button" href="{}#answer">{}</a></span>'
            '<small class="stoa-sub">{} · <a class="stoa-link" href="{}">{}</a></small></span>',
            reverse("admin:quotas_allowancerequest_grant", args=[request.pk]),
            here,
            amount,
            gettext("Grant {amount} for {person}, this week").format(
                amount=in_tokens(amount), person=request.membership.person
            ),
            gettext("Grant {amount}").format(amount=number(amount)),
            page,
            gettext("Decline…"),
            meaning,
            page,
            gettext("Other amount"),
        )


def _heading(request: Any) -> SafeString | str:
    """Above the first request of each course, a way to what the course has left."""
    course = getattr(request, "heading", None)
    if course is None:
        return ""
    address = reverse("admin:course_allowance", args=[course.slug])
    return format_html('<a class="stoa-group" href="{}" dir="auto">{}</a>', address, course)
