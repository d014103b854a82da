"""Pages about a rule, by its id: what it found, what it would have found by a replay, and the sheet before *Enforce*.

`admin:conversations_rule_activity`, `admin:conversations_replay` and `admin:conversations_rule_enforce`. They are here
because `rules` may not import conversations. Rules of other courses give 404. Samples are text of conversations, so
showing them is reading, and recorded as such.
"""

from datetime import date, timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext

from apps.accounts.audit import record
from apps.accounts.course_pages import enter
from apps.accounts.jobs import JobCard, people
from apps.accounts.models import Course
from apps.accounts.permissions import Verb
from apps.accounts.scoping import may
from apps.common.admin import Pages
from apps.common.charts import bars, stretch
from apps.common.jobs import TooManyJobs
from apps.common.models import Job
from apps.conversations import activity, replay, searches
from apps.conversations.admin import judging
from apps.conversations.admin.enforcing import sheet
from apps.conversations.admin.strip import strip
from apps.rules import recording, stages
from apps.rules.models import Rule
from apps.rules.schedules import ALWAYS

EARLIER = 10


class RulePages(Pages):
    """Adds the addresses of both pages to those of calls."""

    def get_urls(self) -> list[URLPattern]:
        own: list[URLPattern] = [
            path("rules/<int:pk>/", self.admin_site.admin_view(self.activity_view), name="conversations_rule_activity"),
            path("rules/<int:pk>/replay/", self.admin_site.admin_view(self.replay_view), name="conversations_replay"),
            path(
                "rules/<int:pk>/evidence/",
                self.admin_site.admin_view(self.evidence_view),
                name="conversations_rule_evidence",
            ),
            path(
                "rules/<int:pk>/samples/<int:job>/<int:number>/",
                self.admin_site.admin_view(self.sample_view),
                name="conversations_rule_sample",
            ),
            path(
                "rules/<int:pk>/enforce/",
                self.admin_site.admin_view(self.enforce_view),
                name="conversations_rule_enforce",
            ),
        ]
        return own + list(super().get_urls())

    # What it found

    def activity_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        rule = _seen(request, pk)
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        zone = rule.zone
        found = activity.of_rule(rule, zone=zone, now=timezone.now())
        context = {"title": gettext("What {name} found").format(name=rule.name), "found": found, "days": activity.DAYS}
        return self._rule_page(request, rule, "admin/conversations/rule/activity.html", context)

    # What it would have found

    def replay_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        rule = _seen(request, pk)
        if request.method == "POST":
            return self._ask(request, rule)
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
        jobs = list(Job.objects.filter(kind=replay.KIND, subject=replay.subject(rule))[:EARLIER])
        job = next((job for job in jobs if str(job.pk) == request.GET.get("job")), jobs[0] if jobs else None)
        authors = people(jobs)
        context = {
            "title": gettext("Replay {name}").format(name=rule.name),
            "spans": replay.SPANS,
            "card": job and JobCard.of(request, job),
            "found": _result(job, rule) if job and job.state == Job.State.DONE else None,
            "earlier": [(one, authors.get(one.author or 0)) for one in jobs],
            "silent": _silence(rule),
        }
        return self._rule_page(request, rule, "admin/conversations/rule/replay.html", context)

    def _ask(self, request: HttpRequest, rule: Rule) -> HttpResponse:
        here = reverse("admin:conversations_replay", args=[rule.pk])
        days = request.POST.get("days", "")
        if days not in map(str, replay.SPANS):
            self.message_user(request, gettext("Choose over how many days to replay."), messages.WARNING)
            return HttpResponseRedirect(here)
        try:
            job = replay.ask_for(rule, days=int(days), author=request.user.pk or 0, page=here, now=timezone.now())
        except TooManyJobs as error:
            self.message_user(request, error.message, messages.WARNING)
            return HttpResponseRedirect(here)
        return HttpResponseRedirect(f"{here}?job={job.pk}")

    # Before it acts

    def enforce_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        rule = _changed(request, pk)
        stage = rule.stage
        if isinstance(shown := sheet(request, rule), HttpResponse):
            return shown
        return self._rule_page(request, rule, "admin/conversations/rule/enforce.html", {**shown, "stage_now": stage})

    # Evidence beside its stages

    def evidence_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        rule = _seen(request, pk)
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        is_part = request.headers.get("hx-request") == "true"
        template = f"admin/conversations/rule/{'strip' if is_part else 'evidence'}.html"
        context = {
            "title": gettext("Evidence about {name}").format(name=rule.name),
            **strip(request, rule, now=timezone.now()),
        }
        return self._rule_page(request, rule, template, context)

    def sample_view(self, request: HttpRequest, pk: int, job: int, number: int) -> HttpResponse:
        """Marks a sample as right or as not meant. Shown by itself, it says that the pattern must be changed first."""
        rule = _changed(request, pk)
        sample = judging.sample_of(rule, job=job, number=number)
        if request.method == "POST":
            judge = judging.looks_right if request.POST.get("mark") == "right" else judging.not_meant
            said = judge(rule, sample, by=request.user)
            if said is None:
                return HttpResponseRedirect(request.path)
            self.message_user(request, said[1], said[0])
            return HttpResponseRedirect(reverse("admin:rules_rule_change", args=[rule.pk]))
        record("samples.read", subject=rule, after={"calls": [sample.call.pk]})
        context = {"title": gettext("Not meant"), "sample": sample, "sentence": sample.sentence}
        return self._rule_page(request, rule, "admin/conversations/rule/not_meant.html", context)

    def _rule_page(self, request: HttpRequest, rule: Rule, template: str, context: dict[str, Any]) -> HttpResponse:
        """Render in the time zone of the rule's course."""
        zone = rule.zone
        shared = {**self.admin_site.each_context(request), "opts": Rule._meta, "original": rule, "rule": rule}
        with timezone.override(zone):
            page = TemplateResponse(request, template, {**shared, "zone": zone.key, **context})
            page["Cache-Control"] = "no-store"
            return page.render()


def _seen(request: HttpRequest, pk: int) -> Rule:
    rule = Rule.objects.for_staff(request.user).select_related("course").filter(pk=pk).first()
    if rule is None:
        raise Http404
    if rule.course is not None:
        enter(request, rule.course)
    return rule  # type: ignore[no-any-return]


def _changed(request: HttpRequest, pk: int) -> Rule:
    rule = _seen(request, pk)
    if not may(request, Verb.CHANGE, "Rule", rule.course_id):
        raise PermissionDenied
    return rule


def _silence(rule: Rule) -> str:
    """Why there may be little or nothing to replay; empty if the course keeps text."""
    if rule.course is None:
        quiet = Course.objects.filter(~Q(logging=Course.Logging.FULL), is_open=True).count()
        return (
            gettext("{quiet} open courses keep no text, so that nothing can be said of their calls.").format(
                quiet=quiet
            )
            if quiet
            else ""
        )
    if rule.course.logging == Course.Logging.FULL:
        return ""
    return (
        gettext(
            "This course keeps no text, so there is nothing to replay but what was recorded before. "
            "Let the rule observe instead: it then records its hits without any text."
        )
        if rule.course.logging == Course.Logging.METADATA
        else gettext(
            "This course keeps neither text nor rule hits. Ask for full logging to replay, or for metadata to observe."
        )
    )


def _result(job: Job, rule: Rule) -> dict[str, Any]:
    """The figures of a finished replay, with its samples read again from the database."""
    result: dict[str, Any] = job.result or {}
    record("samples.read", subject=rule, after={"calls": [place["call"] for place in result.get("samples", [])]})
    days = {date.fromisoformat(day): {"hit": hit} for day, _, hit in result["daily"]}
    since = job.created_at - timedelta(days=int(job.params["days"]))
    dates = stretch(since.astimezone(rule.zone).date(), job.created_at.astimezone(rule.zone).date())
    return {
        **result,
        "chart": bars(dates, days, series=("hit",)),
        "share": _share(result["hit"], result["with_text"]),
        "without_text": result["calls"] - result["with_text"],
        "samples": searches.samples(job),
        "is_stale": _is_stale(rule, result["version"]),
        "in_time": result.get("hit_in_time") if rule.schedule != ALWAYS else None,
        "is_much": bool(result["with_text"]) and stages.HitRate(found=result["hit"], calls=result["with_text"]).is_much,
    }


def _is_stale(rule: Rule, number: int) -> bool:
    """True if the rule has changed since that version in what it finds. Ignores exceptions."""
    version = rule.versions.filter(number=number).first()
    return version is None or not recording.finds_the_same(version.fields, recording.same_finds(rule))


def _share(part: int, whole: int) -> str:
    if not whole:
        return "–"
    percent = 100 * part / whole
    if 0 < percent < 0.1:
        return "< 0.1 %"
    return f"{percent:.1f} %" if 0 < percent < 10 else f"{percent:.0f} %"
