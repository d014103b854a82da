"""The instructor's workbench: what a rule's page offers beyond its form. Its addresses obey the scoping of rules."""

from collections.abc import Callable
from datetime import UTC
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join

from apps.accounts.models import Course
from apps.accounts.scoping import CourseScoped
from apps.rules import recording, stages
from apps.rules.admin.forms import AddForm, CopyForm, TryForm
from apps.rules.engine import matcher
from apps.rules.models import Rule, RuleQuerySet, RuleVersion
from apps.rules.ready_rules import LIBRARY
from apps.rules.signals import rule_begins
from apps.rules.trials import Trial, try_out

MOST_VERSIONS = 30
MOST_EXCEPTIONS = 100
MOST_LINKS = 25
MOST_COURSES = 20  # courses that are compared for rules that all of them have
_GROUPS = tuple(dict.fromkeys(ready.group for ready in LIBRARY))
PAGE = "admin:rules_rule_change"
SHEET = "admin:conversations_rule_enforce"  # in a layer above, so by its name


class Workbench(CourseScoped):
    """The views behind the buttons of a rule's page and of the list."""

    def get_urls(self) -> list[URLPattern]:
        def view(address: str, function: Callable[..., HttpResponse], name: str) -> URLPattern:
            guarded: Any = self.admin_site.admin_view(function)
            pattern: URLPattern = path(address, guarded, name=f"rules_rule_{name}")
            return pattern

        own: list[URLPattern] = [
            view("library/", self.library_view, "library"),
            view("try/", self.try_view, "try_new"),
            view("<int:pk>/try/", self.try_view, "try"),
            view("<int:pk>/stage/", self.stage_view, "stage"),
            view("<int:pk>/versions/<int:number>/", self.restore_view, "restore"),
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
            "steps": stages.steps(rule),
            "following": stages.following(rule),
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
        return _to(rule)

    def look_first(self, request: HttpRequest, rules: RuleQuerySet) -> HttpResponse | None:
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
            format_html("Nothing is enforced yet. See first what each rule would have done: {}.", links)
            if asked
            else "These rules are enforced already."
        )
        self.message_user(request, said, messages.WARNING)
        return None

    def begins(self, request: HttpRequest, *rules: Rule) -> None:
        """To be called for rules that are new, found elsewhere than before, or no longer drafts."""
        for rule in rules:
            rule_begins.send(Rule, rule=rule, by=request.user)

    def _moved(self, request: HttpRequest, rule: Rule, stage: str, *, version: int | None) -> bool:
        """Move the rule; with a version, only if it still is that one."""
        rules = Rule.objects.filter(pk=rule.pk)
        found = rules if version is None else rules.filter(version=version)
        return bool(found.move(Rule.Stage(stage), by=request.user))

    def _unseen(self, request: HttpRequest, rule: Rule, version: int | None = None) -> HttpResponse | None:
        """Leads to the sheet that shows what the rule would have done, unless this person comes from it; else None.

        What counts is the version that was looked at: a rule that was changed meanwhile is looked at again.
        """
        looked_at = request.POST.get("looked_at", "")
        if looked_at == str(rule.version):
            return None
        if looked_at:
            said = f"{rule.name} was changed after you looked at it. This is what it would have done as it is now."
            self.message_user(request, said, messages.WARNING)
        which = f"?version={version}" if version is not None else ""
        return HttpResponseRedirect(reverse(SHEET, args=[rule.pk]) + which)

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
        if is_shown and (answer := self._unseen(request, rule, number)) is not None:
            return answer
        before = rule.stage
        try:
            rule.restore(version, by=request.user)
        except ValidationError as error:
            self.message_user(request, f"Not restored: {' '.join(error.messages)}", messages.ERROR)
        else:
            self.begins(request, rule)
            moved = "" if rule.stage == before else f" {stages.told(rule)}"
            self.message_user(request, f"{rule.name} is what it was in version {number}.{moved}", messages.SUCCESS)
        return _to(rule)

    def forget_exception_view(self, request: HttpRequest, pk: int, exception: int) -> HttpResponse:
        rule = self._changed(request, pk)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        found = rule.exceptions.filter(pk=exception).first()
        if found is None:
            raise Http404
        found.delete()
        self.message_user(request, f"“{found}” counts again.", messages.SUCCESS)
        return _to(rule)

    # Trying

    def try_view(self, request: HttpRequest, pk: int | None = None) -> HttpResponse:
        """Stores nothing, whatever is posted."""
        rule = self._seen(request, pk) if pk is not None else self._new(request)
        form = TryForm(request.POST or None, initial={"pattern": rule.pattern}, is_stored=pk is not None)
        context: dict[str, Any] = {"form": form, "rule": rule, "is_stored": pk is not None}
        context["may_add"] = self.has_add_permission(request)
        if pk is not None:
            context |= {"original": rule, "limits": stages.limits(rule, now=timezone.now())}
        if form.is_valid():
            context |= _tried(rule, form.cleaned_data["pattern"], form.cleaned_data["text"])
        context["title"] = f"Try {rule.name}" if pk is not None else "Try a pattern"
        is_part = request.headers.get("hx-request") == "true"
        template = "admin/rules/rule/trial.html" if is_part else "admin/rules/rule/try.html"
        return self._page(request, template, context)

    # Ready rules

    def library_view(self, request: HttpRequest) -> HttpResponse:
        """Ready rules by group. Posting one adds it to a course, in observe."""
        if not self.has_module_permission(request):
            raise PermissionDenied
        courses = Course.objects.for_instructor(request.user)
        form = AddForm(request.POST or None, courses=courses)
        if request.method == "POST":
            if not self.has_add_permission(request):
                raise PermissionDenied
            if form.is_valid():
                return self._added(request, form)
        context = {
            "groups": {group: [ready for ready in LIBRARY if ready.group == group] for group in _GROUPS}.items(),
            "courses": courses,
            "added": _names_in(courses),
            "form": form,
            "title": "Ready rules",
        }
        return self._page(request, "admin/rules/rule/library.html", context)

    def _added(self, request: HttpRequest, form: AddForm) -> HttpResponse:
        ready, course = form.cleaned_data["rule"], form.cleaned_data["course"]
        try:
            rule = Rule.from_library(ready, course=course, by=request.user)
        except ValidationError as error:
            self.message_user(request, " ".join(error.messages), messages.WARNING)
            return HttpResponseRedirect(reverse("admin:rules_rule_library"))
        self.begins(request, rule)
        self.message_user(
            request, f"{ready.title}: added to {course}. It observes; students notice nothing yet.", messages.SUCCESS
        )
        return _to(rule)

    # Copies

    def copy_page(self, request: HttpRequest, rules: RuleQuerySet) -> HttpResponse | None:
        """Asks for the course, then copies. Leaves out rules of the institution, which are in every course already."""
        rules = rules.exclude(course=None)
        if not rules:
            self.message_user(request, "Rules of the institution hold in every course already.", messages.WARNING)
            return None
        courses = Course.objects.for_instructor(request.user)
        form = CopyForm(request.POST if "copy" in request.POST else None, courses=courses)
        if not form.is_valid():
            context = {"form": form, "rules": rules, "title": "Copy rules to another course"}
            return self._page(request, "admin/rules/rule/copy.html", context)
        course, stage = form.cleaned_data["course"], form.cleaned_data["stage"]
        copied: list[Rule] = []
        for rule in rules:
            try:
                rule.copy_to(course, by=request.user, stage=rule.stage if stage == "same" else stage)
                copied.append(rule)
            except ValidationError as error:
                self.message_user(request, f"{rule.name} was not copied. {' '.join(error.messages)}", messages.WARNING)
        self.begins(request, *copied)
        if copied:
            self.message_user(request, f"{len(copied)} copied to {course}.", messages.SUCCESS)
        if dated := [rule.name for rule in copied if rule.has_dates]:
            left = "Dates were left behind. Until new ones are set, what had some does not act, but observes"
            self.message_user(request, f"{left}: {', '.join(dated)}.", messages.WARNING)
        return None

    # Shared by the views

    def _seen(self, request: HttpRequest, pk: int) -> Rule:
        rule: Rule = self.get_object(request, str(pk))
        if not self.has_view_permission(request, rule):
            raise PermissionDenied
        return rule

    def _changed(self, request: HttpRequest, pk: int) -> Rule:
        rule = self._seen(request, pk)
        if not self.has_change_permission(request, rule):
            raise PermissionDenied
        return rule

    def _new(self, request: HttpRequest) -> Rule:
        if not self.has_module_permission(request):
            raise PermissionDenied
        return Rule(name="", message="…")

    def _page(self, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
        shared = {**self.admin_site.each_context(request), "opts": self.opts, "media": self.media}
        return TemplateResponse(request, template, {**shared, **context})


def _tried(rule: Rule, pattern: str, text: str) -> dict[str, Trial | str]:
    """Try a pattern. One that differs from the rule's must be fit to be saved."""
    exceptions = rule.exceptions.values_list("text", flat=True) if rule.pk else ()
    try:
        if pattern != rule.pattern:
            matcher.admit(pattern)
        rule.pattern = pattern
        return {"trial": try_out(rule, text, exceptions=exceptions)}
    except (matcher.BadPattern, matcher.EngineFailed) as error:
        return {"problem": str(error)}


def _names_in(courses: Any) -> frozenset[str]:
    """The names of rules that all of these courses have."""
    rules = [set(course.rules.values_list("name", flat=True)) for course in courses[:MOST_COURSES]]
    return frozenset(set.intersection(*rules)) if rules else frozenset()


def _to(rule: Rule) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse(PAGE, args=[rule.pk]))
