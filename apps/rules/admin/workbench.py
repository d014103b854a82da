"""The instructor's workbench: what a rule's page offers beyond its form. Its addresses obey the scoping of rules."""

from datetime import UTC
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext

from apps.accounts.models import Course
from apps.rules import edits, recording, stages
from apps.rules.admin.forms import CopyForm
from apps.rules.admin.saved import after_saving
from apps.rules.admin.trying import Trying, to_rule
from apps.rules.models import Rule, RuleQuerySet, RuleVersion
from apps.rules.sentences import sentence

MOST_VERSIONS = 30
MOST_EXCEPTIONS = 100
MOST_LINKS = 25
SHEET = "admin:conversations_rule_enforce"  # in a layer above, so by its name


class Workbench(Trying):
    """The views behind the buttons of a rule's page and of the list."""

    def get_urls(self) -> list[URLPattern]:
        view = self.guarded
        own: list[URLPattern] = [
            view("<int:pk>/stage/", self.stage_view, "stage"),
            view("<int:pk>/versions/<int:number>/", self.restore_view, "restore"),
            view("<int:pk>/edits/<str:number>/", self.edit_view, "edit"),
            view("<int:pk>/exceptions/<int:exception>/", self.forget_exception_view, "forget_exception"),
        ]
        return own + list(super().get_urls())

    # Around the form

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        """In the time zone of the course, as the rule's schedule is in it."""
        rule = self.get_object(request, object_id)
        with timezone.override(rule.zone if rule is not None else UTC):
            extra = {**(extra_context or {}), **(self._bench(request, rule) if rule is not None else {})}
            page = super().change_view(request, object_id, form_url, extra)
            return page.render() if isinstance(page, TemplateResponse) else page

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        # Without Django's transaction around all of it: on SQLite, no call could be booked while a pattern is measured.
        # Saving a rule is a transaction of its own.
        return self._changeform_view(request, object_id, form_url, extra_context)

    def _bench(self, request: HttpRequest, rule: Rule) -> dict[str, Any]:
        versions = list(rule.versions.select_related("author")[: MOST_VERSIONS + 1])
        history = [
            {"version": version, "differences": version.differences(before, zone=rule.zone)}
            for version, before in zip(versions, [*versions[1:], None], strict=True)
        ]
        exceptions = list(rule.exceptions.select_related("author")[: MOST_EXCEPTIONS + 1])
        return {
            "rule": rule,
            "sentence": sentence(rule, since=recording.stage_since(rule), now=timezone.now(), zone=rule.zone),
            "steps": stages.steps(rule),
            "following": stages.following(rule),
            "reach": stages.reach_of_warning(rule) if rule.stage in (Rule.Stage.OBSERVE, Rule.Stage.WARN) else "",
            "limits": stages.limits(rule, now=timezone.now()) if rule.stage != Rule.Stage.DRAFT else [],
            "before_draft": rule.stage_before_draft if rule.stage == Rule.Stage.DRAFT and rule.version > 1 else "",
            "history": history[:MOST_VERSIONS],
            "has_older": len(history) > MOST_VERSIONS,
            "exceptions": exceptions[:MOST_EXCEPTIONS],
            "has_more_exceptions": len(exceptions) > MOST_EXCEPTIONS,
            "may_change": self.has_change_permission(request, rule),
            "zone": rule.zone.key,
        }

    # Stages

    def stage_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        rule, stage = self._changed(request, pk), request.POST.get("stage", "")
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if stage not in Rule.Stage.values:
            raise Http404
        is_shown = stages.must_be_shown(rule, stage)
        if is_shown and (answer := self._unseen(request, rule)) is not None:
            return answer
        before = rule.stage
        if self._moved(request, rule, stage, version=rule.version if is_shown else None):
            rule.refresh_from_db()
            if before == Rule.Stage.DRAFT:
                self.begins(request, rule)
            self.message_user(request, stages.told(rule), messages.SUCCESS)
        return to_rule(rule)

    def look_first(self, request: HttpRequest, rules: Any) -> HttpResponse | None:
        """Leads to the sheet of one rule; of several, to a message with a link to the sheet of each."""
        asked = list(rules.exclude(stage=Rule.Stage.ENFORCE).order_by("name")[:MOST_LINKS])
        if len(asked) == 1:
            return HttpResponseRedirect(reverse(SHEET, args=[asked[0].pk]))
        links = format_html_join(
            ", ",
            '<a class="stoa-link" href="{}">{}</a>',
            ((reverse(SHEET, args=[rule.pk]), rule.name) for rule in asked),
        )
        said = (
            format_html("{} {}", gettext("Nothing is enforced yet. See first what each rule would have done:"), links)
            if asked
            else gettext("These rules are enforced already.")
        )
        self.message_user(request, said, messages.WARNING)
        return None

    def _moved(self, request: HttpRequest, rule: Rule, stage: str, *, version: int | None) -> bool:
        """Move the rule; with a version, only if it still is that one."""
        rules = Rule.objects.filter(pk=rule.pk)
        found = rules if version is None else rules.filter(version=version)
        return bool(found.move(Rule.Stage(stage), by=request.user))

    def _unseen(self, request: HttpRequest, rule: Rule, **which: object) -> HttpResponse | None:
        """Leads to the sheet that shows what the rule would have done, unless this person comes from it; else None.

        `which` names the version or the edit that the sheet is about, if it is not the rule as it is. What counts is
        the version of the rule that was looked at: a rule that was changed meanwhile is looked at again.
        """
        looked_at = request.POST.get("looked_at", "")
        if looked_at == str(rule.version):
            return None
        if looked_at:
            said = gettext(
                "{name} was changed after you looked at it. This is what it would have done as it is now."
            ).format(name=rule.name)
            self.message_user(request, said, messages.WARNING)
        return to_sheet(rule, **which)

    # Changes to an enforced rule

    def save_model(self, request: HttpRequest, obj: Rule, form: Any, change: bool) -> None:
        """Save, unless that would change what an enforced rule does: then the change waits to be looked at."""
        changed = obj.changed_fields()
        if change and edits.must_be_shown(obj):
            return
        super().save_model(request, obj.signed(by=request.user), form, change)
        after_saving(request, obj, changed=changed, is_new=not change)

    def response_change(self, request: HttpRequest, obj: Rule) -> HttpResponse:
        if edits.must_be_shown(obj):  # so it has not been saved
            return to_sheet(obj, edit=edits.hold(request.session, obj))
        answer: HttpResponse = super().response_change(request, obj)
        return answer

    def edit_view(self, request: HttpRequest, pk: int, number: str) -> HttpResponse:
        """Saves a change that waited, and lets the rule go on acting or observe."""
        rule, stage = self._changed(request, pk), request.POST.get("stage", "")
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        fields = edits.held(request.session, rule, number)
        if fields is None or stage not in (Rule.Stage.ENFORCE, Rule.Stage.OBSERVE):
            raise Http404
        if stage == Rule.Stage.ENFORCE and (answer := self._unseen(request, rule, edit=number)) is not None:
            return answer
        edits.forget(request.session, number)
        try:
            rule.edit(fields, stage=stage, by=request.user)
        except ValidationError as error:
            self.message_user(
                request, gettext("Not saved: {messages}").format(messages=" ".join(error.messages)), messages.ERROR
            )
        else:
            after_saving(request, rule, changed=fields, is_new=False)
            self.message_user(request, gettext("Saved. {rule}").format(rule=stages.told(rule)), messages.SUCCESS)
        return to_rule(rule)

    # Versions and exceptions

    def restore_view(self, request: HttpRequest, pk: int, number: int) -> HttpResponse:
        rule = self._changed(request, pk)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        version = RuleVersion.objects.filter(rule=rule, number=number).first()
        if version is None:
            raise Http404
        finds_else = not recording.finds_the_same(version.fields, recording.same_finds(rule))
        is_shown = stages.must_be_shown(rule, version.fields["stage"], finds_else=finds_else)
        if is_shown and (answer := self._unseen(request, rule, version=number)) is not None:
            return answer
        before = rule.stage
        try:
            rule.restore(version, by=request.user)
        except ValidationError as error:
            self.message_user(
                request, gettext("Not restored: {messages}").format(messages=" ".join(error.messages)), messages.ERROR
            )
        else:
            self.begins(request, rule)
            moved = "" if rule.stage == before else f" {stages.told(rule)}"
            self.message_user(
                request,
                gettext("{name} is what it was in version {number}.{moved}").format(
                    name=rule.name, number=number, moved=moved
                ),
                messages.SUCCESS,
            )
        return to_rule(rule)

    def forget_exception_view(self, request: HttpRequest, pk: int, exception: int) -> HttpResponse:
        rule = self._changed(request, pk)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        found = rule.exceptions.filter(pk=exception).first()
        if found is None:
            raise Http404
        found.delete()
        self.message_user(request, gettext("“{found}” counts again.").format(found=found), messages.SUCCESS)
        return to_rule(rule)

    # Copies

    def copy_page(self, request: HttpRequest, rules: RuleQuerySet) -> HttpResponse | None:
        """Asks for the course, then copies. Leaves out rules of the institution, which are in every course already."""
        rules = rules.exclude(course=None)
        if not rules:
            self.message_user(
                request, gettext("Rules of the institution hold in every course already."), messages.WARNING
            )
            return None
        courses = Course.objects.for_instructor(request.user)
        form = CopyForm(request.POST if "copy" in request.POST else None, courses=courses)
        if not form.is_valid():
            context = {"form": form, "rules": rules, "title": gettext("Copy rules to another course")}
            return self._page(request, "admin/rules/rule/copy.html", context)
        course, stage = form.cleaned_data["course"], form.cleaned_data["stage"]
        copies: list[tuple[Rule, Rule]] = []  # originals with their copies
        for rule in rules:
            try:
                copy = rule.copy_to(course, by=request.user, stage=rule.stage if stage == "same" else stage)
                copies.append((rule, copy))
            except ValidationError as error:
                self.message_user(
                    request,
                    gettext("{name} was not copied. {messages}").format(
                        name=rule.name, messages=" ".join(error.messages)
                    ),
                    messages.WARNING,
                )
        self.begins(request, *(copy for _, copy in copies if copy.stage != Rule.Stage.DRAFT))
        if copies:
            self.message_user(
                request,
                gettext("{copies} copied to {course}.").format(copies=len(copies), course=course),
                messages.SUCCESS,
            )
        if dated := [rule.name for rule, _ in copies if rule.has_dates]:
            left = gettext("Dates were left behind. Until new ones are set, what had some does not act, but observes")
            self.message_user(request, f"{left}: {', '.join(dated)}.", messages.WARNING)
        return self._look_at_copies(request, copies) if stage == "same" else None

    def _look_at_copies(self, request: HttpRequest, copies: list[tuple[Rule, Rule]]) -> HttpResponse | None:
        """Leads to the sheets of the copies of rules that are enforced."""
        acting = [copy.pk for rule, copy in copies if rule.stage == Rule.Stage.ENFORCE and not rule.has_dates]
        return self.look_first(request, Rule.objects.filter(pk__in=acting)) if acting else None


def to_sheet(rule: Rule, **which: object) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse(SHEET, args=[rule.pk], query=which or None))
