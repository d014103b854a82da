"""The admin queue of appeals, in which students say that a rule was wrong and staff decide."""

import zoneinfo
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.widgets import UnfoldAdminTextareaWidget

from apps.accounts.admin.petitions import PetitionAdmin
from apps.accounts.audit import record
from apps.accounts.scoping import CourseFilter
from apps.common.admin import is_operator
from apps.common.display import NOTHING, when
from apps.conversations import appeals
from apps.conversations.models import Appeal, Call
from apps.conversations.passages import exchanges, read


class Said(NamedTuple):
    """The message about one decision."""

    level: int
    sentence: str


TOO_LATE = Said(messages.WARNING, "Somebody has decided this appeal already.")


class AppealCourseFilter(CourseFilter):
    path = "call__course"


class DecisionForm(forms.Form):
    """`texts` has one new exception to the rule per line."""

    texts = forms.CharField(
        required=False,
        max_length=5000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        label="Words that are fine",
        help_text="One a line. If the rule finds exactly these again, it does not count, whatever the case of letters. "
        "If it is meant to find them elsewhere, change its pattern instead.",
    )
    answer = forms.CharField(
        required=False,
        max_length=Appeal.LONGEST,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        label="What the student reads",
        help_text="Left empty, a plain sentence says what you decided.",
    )


@admin.register(Appeal)
class AppealAdmin(PetitionAdmin):
    course_path = "call__course"
    empty_text = "A student whom a rule refused can say that it was wrong. What they say waits here for your answer."
    list_display = ("about", "student", "course", "against", "shown_state", "when")
    list_filter = (AppealCourseFilter, ("state", ChoicesDropdownFilter))
    list_select_related = ("call__course", "call__membership__user", "rule")
    search_fields = ("reason", "rule_name", "call__membership__external_id", "=call__id")
    search_help_text = "Words, rule, external ID or request ID"
    actions = ("accept", "decline")

    # One appeal

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        appeal = self.get_object(request, unquote(object_id))
        posts = request.method == "POST"
        allowed = self.has_change_permission if posts else self.has_view_permission
        if not allowed(request, appeal):
            raise PermissionDenied
        initial = {"texts": "\n".join(" ".join(text.split()) for text in appeals.found_texts(appeal))}
        form = DecisionForm(request.POST if posts else None, initial=initial)
        if posts and form.is_valid() and self._decided(request, appeal, form):
            return HttpResponseRedirect(reverse("admin:conversations_appeal_changelist") + "?state__exact=open")
        return self._page(request, appeal, form)

    def _decided(self, request: HttpRequest, appeal: Appeal, form: DecisionForm) -> bool:
        texts, answer = form.cleaned_data["texts"].splitlines(), form.cleaned_data["answer"].strip()
        if "accept" in request.POST:
            said = _accepted(request, appeal, texts, answer=answer)
        elif "decline" in request.POST:
            said = _declined(request, appeal, answer=answer)
        else:
            return False
        self.message_user(request, said.sentence, said.level)
        return said.level != messages.ERROR

    def _page(self, request: HttpRequest, appeal: Appeal, form: DecisionForm) -> HttpResponse:
        now = timezone.now()
        call = exchanges(Call.objects.filter(pk=appeal.call_id)).get()
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": appeal,
            "title": str(appeal),
            "appeal": appeal,
            "form": form,
            "reading": read(call, now=now),
            "may_change": self.has_change_permission(request, appeal),
            "owns_rule": _owns_rule(request, appeal),
        }
        record("call.read", subject=call, note="On the page of an appeal.")
        with timezone.override(zoneinfo.ZoneInfo(call.course.timezone)):
            return TemplateResponse(request, "admin/conversations/appeal/page.html", context).render()

    # Several at once

    @admin.action(description="Accept, and except what was found", permissions=("change",))
    def accept(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        chosen = self._chosen(request, queryset)
        self._tell(request, [_accepted(request, appeal, appeals.found_texts(appeal)) for appeal in chosen])

    @admin.action(description="Decline", permissions=("change",))
    def decline(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._tell(request, [_declined(request, appeal) for appeal in self._chosen(request, queryset)])

    def _chosen(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return self.changeable(request, queryset).filter(state=Appeal.State.OPEN).select_related("rule", "call")

    def _tell(self, request: HttpRequest, said: Sequence[Said]) -> None:
        """Report each distinct outcome once, with how often it occurred."""
        for one, times in Counter(said).items():
            self.message_user(request, one.sentence if times == 1 else f"{times} times: {one.sentence}", one.level)

    # The list

    @admin.display(description="what the student says")
    def about(self, appeal: Appeal) -> SafeString:
        return format_html('<span class="stoa-clip" title="{}">{}</span>', appeal.reason, appeal.reason)

    @admin.display(description="student")
    def student(self, appeal: Appeal) -> SafeString:
        member = appeal.call.membership
        return format_html('{}<small class="stoa-sub">{}</small>', member.person, member.external_id)

    @admin.display(description="course")
    def course(self, appeal: Appeal) -> str:
        return str(appeal.call.course)

    @admin.display(description="rule", ordering="rule_name")
    def against(self, appeal: Appeal) -> Any:
        if appeal.rule is None or appeal.rule.course_id is None:
            return appeal.rule_name or NOTHING
        address = reverse("admin:rules_rule_change", args=[appeal.rule.pk])
        return format_html(
            '<a class="stoa-link" href="{}">{}</a><small class="stoa-sub">version {}</small>',
            address,
            appeal.rule_name,
            appeal.rule_version,
        )

    @admin.display(description="since", ordering="id")
    def when(self, appeal: Appeal) -> str:
        return when(appeal.created_at)


def _owns_rule(request: HttpRequest, appeal: Appeal) -> bool:
    """Only operators may change rules of the institution, exceptions included."""
    return appeal.rule is None or appeal.rule.course_id is not None or is_operator(request)


def _accepted(request: Any, appeal: Appeal, texts: Sequence[str], *, answer: str = "") -> Said:
    if not _owns_rule(request, appeal):
        why = f"{appeal.rule_name} is a rule of the institution: only operators make exceptions to it."
        return Said(messages.ERROR, f"Not accepted. {why}")
    try:
        made = appeals.accept(appeal, by=request.user, texts=texts, answer=answer, now=timezone.now())
    except ValidationError as error:
        return Said(messages.ERROR, f"Not accepted. {' '.join(error.messages)}")
    if made is None:
        return TOO_LATE
    exceptions = f"with {made} exception{'' if made == 1 else 's'} to {appeal.rule_name}"
    how = exceptions if made else "without a new exception"
    return Said(messages.SUCCESS, f"Accepted, {how}. The student sees it.")


def _declined(request: Any, appeal: Appeal, *, answer: str = "") -> Said:
    if not appeals.decline(appeal, by=request.user, answer=answer, now=timezone.now()):
        return TOO_LATE
    return Said(messages.SUCCESS, "Declined. The student sees it.")
