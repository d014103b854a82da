"""Two pages about a rule, by its id: what it found, and what a replay says it would have found.

`admin:conversations_rule_activity` and `admin:conversations_replay`. They are here because `rules` may not import
conversations. Rules of other courses give 404. The samples of a replay are text of conversations: if reading
conversations is ever logged, showing them is reading.
"""

from datetime import date, timedelta
from typing import Any

from django.contrib import messages
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from apps.accounts.audit import record
from apps.accounts.jobs import JobCard, people
from apps.accounts.models import Course
from apps.common.admin import Pages
from apps.common.charts import bars, stretch
from apps.common.jobs import TooManyJobs
from apps.common.models import Job
from apps.conversations import activity, replay
from apps.rules import stages
from apps.rules.models import Rule
from apps.rules.schedules import ALWAYS

EARLIER = 10


class RulePages(Pages):
    """Adds the addresses of both pages to those of calls."""

    def get_urls(self) -> list[URLPattern]:
        own: list[URLPattern] = [
            path("rules/<int:pk>/", self.admin_site.admin_view(self.activity_view), name="conversations_rule_activity"),
            path("rules/<int:pk>/replay/", self.admin_site.admin_view(self.replay_view), name="conversations_replay"),
        ]
        return own + list(super().get_urls())

    # What it found

    def activity_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        rule = _seen(request, pk)
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        zone = rule.zone
        found = activity.of_rule(rule, zone=zone, now=timezone.now())
        context = {"title": f"What {rule.name} found", "found": found, "days": activity.DAYS}
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
            "title": f"Replay {rule.name}",
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
            self.message_user(request, "Choose over how many days to replay.", messages.WARNING)
            return HttpResponseRedirect(here)
        try:
            job = replay.ask_for(rule, days=int(days), author=request.user.pk or 0, page=here, now=timezone.now())
        except TooManyJobs as error:
            self.message_user(request, error.message, messages.WARNING)
            return HttpResponseRedirect(here)
        return HttpResponseRedirect(f"{here}?job={job.pk}")

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
    return rule  # type: ignore[no-any-return]


def _silence(rule: Rule) -> str:
    """Why there may be little or nothing to replay; empty if the course keeps text."""
    if rule.course is None:
        quiet = Course.objects.filter(~Q(logging=Course.Logging.FULL), is_open=True).count()
        return f"{quiet} open courses keep no text, so that nothing can be said of their calls." if quiet else ""
    if rule.course.logging == Course.Logging.FULL:
        return ""
    return (
        "This course keeps no text, so there is nothing to replay but what was recorded before. "
        "Let the rule observe instead: it then records its hits without any text."
        if rule.course.logging == Course.Logging.METADATA
        else "This course keeps neither text nor rule hits. Ask for full logging to replay, or for metadata to observe."
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
        "samples": replay.samples(job),
        "is_stale": _is_stale(rule, result["version"]),
        "in_time": result.get("hit_in_time") if rule.schedule != ALWAYS else None,
        "is_much": stages.HitRate(found=result["hit"], calls=result["with_text"]).is_much,
    }


def _is_stale(rule: Rule, number: int) -> bool:
    """True if the rule has changed since that version in what it finds. Ignores exceptions."""
    version = rule.versions.filter(number=number).first()
    return version is None or any(version.fields.get(name) != getattr(rule, name) for name in stages.MATCHING)


def _share(part: int, whole: int) -> str:
    if not whole:
        return "–"
    percent = 100 * part / whole
    if 0 < percent < 0.1:
        return "< 0.1 %"
    return f"{percent:.1f} %" if 0 < percent < 10 else f"{percent:.0f} %"
