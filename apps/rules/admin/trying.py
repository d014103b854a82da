"""Trying rules on texts, stored or not, and adding ready ones. What is tried is not stored."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext

from apps.accounts.course_pages import course_of, enter
from apps.accounts.models import Course
from apps.accounts.scoping import CourseScoped
from apps.rules import stages, trials
from apps.rules.admin.forms import AddForm, ExampleForm, TryForm
from apps.rules.checksum_names import NAMES
from apps.rules.engine import matcher
from apps.rules.models import Rule
from apps.rules.ready_rules import LIBRARY, ReadyRule
from apps.rules.sentences import sentence
from apps.rules.signals import rule_begins

MOST_COURSES = 20  # courses that are compared for rules that all of them have
PAGE = "admin:rules_rule_change"
_GROUPS = tuple(dict.fromkeys(ready.group for ready in LIBRARY))
_BY_SLUG = {ready.slug: ready for ready in LIBRARY}


class Trying(CourseScoped):
    """The pages on which rules are tried and chosen."""

    def get_urls(self) -> list[URLPattern]:
        view = self.guarded
        own: list[URLPattern] = [
            view("library/", self.library_view, "library"),
            view("try/", self.try_view, "try_new"),
            view("<int:pk>/try/", self.try_view, "try"),
            view("<int:pk>/examples/", self.example_view, "example"),
        ]
        return own + list(super().get_urls())

    def guarded(self, address: str, function: Callable[..., HttpResponse], name: str) -> URLPattern:
        page: Any = self.admin_site.admin_view(function)
        pattern: URLPattern = path(address, page, name=f"rules_rule_{name}")
        return pattern

    def try_view(self, request: HttpRequest, pk: int | None = None) -> HttpResponse:
        """Stores nothing, whatever is posted."""
        ready = _BY_SLUG.get(request.GET.get("ready", "")) if pk is None else None
        rule = self._seen(request, pk) if pk is not None else self._new(request, ready)
        form = TryForm(request.POST or None, initial={"pattern": rule.pattern}, is_new=pk is None and ready is None)
        context: dict[str, Any] = {"form": form, "rule": rule, "ready": ready, "is_stored": pk is not None}
        context |= {"is_rule": pk is not None or ready is not None, "may_add": self.has_add_permission(request)}
        if pk is not None:
            context |= {"original": rule, "limits": stages.limits(rule, now=timezone.now())}
            context["may_change"] = self.has_change_permission(request, rule)
        else:
            del form.fields["others"]
        if form.is_valid():
            context |= _tried(rule, **form.cleaned_data)
        context["title"] = (
            (gettext("Try {title}").format(title=rule.shown_title)) if rule.shown_title else gettext("Try a pattern")
        )
        is_part = request.headers.get("hx-request") == "true"
        return self._page(request, f"admin/rules/rule/{'trial' if is_part else 'try'}.html", context)

    def example_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Makes a text that was tried an example of the rule."""
        rule = self._changed(request, pk)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        form = ExampleForm(request.POST)
        if not form.is_valid():
            raise Http404
        level, said = _kept(rule, form.cleaned_data["text"], field=form.cleaned_data["field"], by=request.user)
        if request.headers.get("hx-request") == "true":
            return self._page(request, "admin/rules/rule/kept.html", {"said": said})
        self.message_user(request, said, level)
        return HttpResponseRedirect(reverse("admin:rules_rule_try", args=[rule.pk]))

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
        courses = _of_the_page(request, courses)
        context = {
            "groups": {group: [_card(ready) for ready in LIBRARY if ready.group == group] for group in _GROUPS}.items(),
            "courses": courses,
            "added": _names_in(courses),
            "form": form,
            "title": gettext("Ready rules"),
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
            request,
            gettext("{title}: added to {course}. It observes; students notice nothing yet.").format(
                title=gettext(ready.title), course=course
            ),
            messages.SUCCESS,
        )
        return to_rule(rule)

    # Shared by the views

    def begins(self, request: HttpRequest, *rules: Rule) -> None:
        """To be called for rules that are new, found elsewhere than before, or no longer drafts."""
        for rule in rules:
            rule_begins.send(Rule, rule=rule, by=request.user)

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

    def _new(self, request: HttpRequest, ready: ReadyRule | None) -> Rule:
        if not self.has_module_permission(request):
            raise PermissionDenied
        return Rule(name="", message="…") if ready is None else Rule.of(ready)

    def _page(self, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
        shared = {**self.admin_site.each_context(request), "opts": self.opts, "media": self.media}
        return TemplateResponse(request, template, {**shared, **context})


def to_rule(rule: Rule) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse(PAGE, args=[rule.pk]))


def _card(ready: ReadyRule) -> dict[str, Any]:
    return {"ready": ready, "sentence": sentence(ready, with_message=False)}


def _of_the_page(request: HttpRequest, courses: Any) -> Any:
    """The course from which the person came; else all courses to choose from."""
    own = courses.filter(slug=request.GET.get("course", "")).first()
    if own is not None:
        enter(request, own)
    here = course_of(request)
    return courses.filter(pk=here.pk) if here is not None else courses


def _tried(rule: Rule, pattern: str, text: str, each_line: bool = False, others: bool = False) -> dict[str, Any]:
    """Try a pattern. One that differs from the rule's must be fit to be saved."""
    exceptions = frozenset(rule.exceptions.values_list("text", flat=True)) if rule.pk else frozenset()
    try:
        if pattern != rule.pattern:
            matcher.admit(pattern)
        rule.pattern = pattern
        found: dict[str, Any] = {"trial": trials.try_out(rule, text, exceptions=exceptions)}
        found["checked"] = NAMES.get(rule.checksum, "")
        found["lines"] = trials.try_lines(rule, text, exceptions=exceptions)
        found["each_line"] = each_line
        if others:
            found["enforced"] = trials.try_all(Rule.objects.enforced_beside(rule), text, now=timezone.now())
        return found
    except (matcher.BadPattern, matcher.EngineFailed) as error:
        return {"problem": str(error)}


def _kept(rule: Rule, text: str, *, field: str, by: Any) -> tuple[int, str]:
    """Adds the example. The level and the text of a message."""
    try:
        rule.add_example(text, field=field, by=by, note="example from the try page")
    except ValidationError as error:
        return messages.WARNING, gettext("Not added: {messages}").format(messages=" ".join(error.messages))
    must = gettext("must be found") if field == "examples_match" else gettext("must not be found")
    return messages.SUCCESS, gettext("“{text}” is now an example that {must}.").format(text=text, must=must)


def _names_in(courses: Any) -> frozenset[str]:
    """The names of rules that all of these courses have."""
    rules = [set(course.rules.values_list("name", flat=True)) for course in courses[:MOST_COURSES]]
    return frozenset(set.intersection(*rules)) if rules else frozenset()
