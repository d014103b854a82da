"""The admin queue of appeals, in which students say that a rule was wrong and staff decide."""

import zoneinfo
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from apps.accounts.admin.petitions import PetitionAdmin
from apps.accounts.audit import record
from apps.accounts.scoping import CourseFilter
from apps.common.display import NOTHING, badge, moment
from apps.common.translation import lazy as _
from apps.conversations import outcomes
from apps.conversations.admin.decisions import (
    DecisionForm,
    Outcome,
    SharedAnswerForm,
    decide,
    decide_several,
    effect,
    owns_rule,
)
from apps.conversations.models import Appeal, Call
from apps.conversations.passages import exchanges, read

NEW_WORDS = _("Nothing has changed yet: see below what these words let pass, then press again.")


class AppealCourseFilter(CourseFilter):
    path = "call__course"


@admin.register(Appeal)
class AppealAdmin(PetitionAdmin):
    course_path = "call__course"
    empty_text = _("A student whom a rule refused can say that it was wrong. What they say waits here for your answer.")
    list_display = ("about", "student", "course", "against", "shown_state", "when")
    list_filter = (AppealCourseFilter, ("state", ChoicesDropdownFilter))
    list_select_related = ("call__course", "call__membership__user", "rule")
    search_fields = ("reason", "rule_name", "call__membership__external_id", "=call__id")
    search_help_text = _("Words, rule, student number or request ID")
    actions = ("once", "refuse")

    # One appeal

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        appeal = self.get_object(request, unquote(object_id))
        posts = request.method == "POST"
        allowed = self.has_change_permission if posts else self.has_view_permission
        if not allowed(request, appeal):
            raise PermissionDenied
        found = "\n".join(" ".join(text.split()) for text in outcomes.found_texts(appeal))
        form = DecisionForm(request.POST if posts else None, initial={"texts": found})
        if posts and form.is_valid() and self._decided(request, appeal, form):
            return HttpResponseRedirect(reverse("admin:conversations_appeal_changelist") + "?state__exact=open")
        return self._page(request, appeal, form)

    def _decided(self, request: HttpRequest, appeal: Appeal, form: DecisionForm) -> bool:
        outcome, words = request.POST.get("outcome", ""), form.cleaned_data["texts"]
        if outcome not in Outcome.values:
            return False
        if outcome == Outcome.EVERYONE and appeal.state == Appeal.State.OPEN and self._is_new(request, words):
            self.message_user(request, NEW_WORDS, messages.WARNING)
            return False
        said = decide(request, appeal, outcome, answer=form.cleaned_data["answer"].strip(), texts=words.splitlines())
        self.message_user(request, said.sentence, said.level)
        return said.level != messages.ERROR

    def _is_new(self, request: HttpRequest, words: str) -> bool:
        """Whether the effect of these words has not been on the page."""
        counted = outcomes.comparable(request.POST.get("counted", "").splitlines())
        return outcomes.comparable(words.splitlines()) != counted

    def _page(self, request: HttpRequest, appeal: Appeal, form: DecisionForm) -> HttpResponse:
        now = timezone.now()
        call = exchanges(Call.objects.filter(pk=appeal.call_id)).get()
        words = str(form["texts"].value() or "")
        may_decide = appeal.state == Appeal.State.OPEN and self.has_change_permission(request, appeal)
        may_except = may_decide and appeal.rule is not None and owns_rule(request, appeal)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": appeal,
            "title": str(appeal),
            "appeal": appeal,
            "form": form,
            "reading": read(call, now=now),
            "may_decide": may_decide,
            "may_except": may_except,
            "owns_rule": owns_rule(request, appeal),
            "effect": effect(appeal, words.splitlines()) if may_except else None,
            "counted": words,
        }
        record("call.read", subject=call, note="On the page of an appeal.")
        with timezone.override(zoneinfo.ZoneInfo(call.course.timezone)):
            return TemplateResponse(request, "admin/conversations/appeal/page.html", context).render()

    # Several at once

    @admin.action(description=_("Fine this once…"), permissions=("change",))
    def once(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        return self._answer(request, queryset, Outcome.ONCE)

    @admin.action(description=_("Right to refuse…"), permissions=("change",))
    def refuse(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        return self._answer(request, queryset, Outcome.REFUSE)

    def _answer(self, request: HttpRequest, queryset: QuerySet[Any], outcome: Appeal.Outcome) -> HttpResponse | None:
        """Ask for one answer to all of them, and give it."""
        open_ones = self.changeable(request, queryset).filter(state=Appeal.State.OPEN).select_related("rule", "call")
        form = SharedAnswerForm(request.POST if "answer" in request.POST else None)
        if form.is_valid():
            for said in decide_several(request, open_ones, outcome, answer=form.cleaned_data["answer"]):
                self.message_user(request, said.sentence, said.level)
            return None
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": outcome.label,
            "outcome": outcome,
            "chosen": open_ones.select_related("membership__user"),
            "form": form,
        }
        return TemplateResponse(request, "admin/conversations/appeal/several.html", context)

    # The list

    @admin.display(description=_("what the student says"))
    def about(self, appeal: Appeal) -> SafeString:
        return format_html('<span class="stoa-clip" title="{}">{}</span>', appeal.reason, appeal.reason)

    @admin.display(description=_("student"))
    def student(self, appeal: Appeal) -> SafeString:
        member = appeal.call.membership
        return format_html('{}<small class="stoa-sub">{}</small>', member.person, member.external_id)

    @admin.display(description=_("course"))
    def course(self, appeal: Appeal) -> str:
        return str(appeal.call.course)

    @admin.display(description=_("state"), ordering="state")
    def shown_state(self, appeal: Any) -> SafeString:
        kind = {"open": "warning", "accepted": "good"}.get(appeal.state, "")
        return badge(appeal.decision, kind, moment(appeal.decided_at))

    @admin.display(description=_("rule"), ordering="rule_name")
    def against(self, appeal: Appeal) -> Any:
        if appeal.rule is None or appeal.rule.course_id is None:
            return appeal.rule_name or NOTHING
        address = reverse("admin:rules_rule_change", args=[appeal.rule.pk])
        return format_html(
            '<a class="stoa-link" href="{}">{}</a><small class="stoa-sub">{}</small>',
            address,
            appeal.rule_name,
            gettext("version {number}").format(number=appeal.rule_version),
        )

    @admin.display(description=_("since"), ordering="id")
    def when(self, appeal: Appeal) -> str:
        return moment(appeal.created_at)
