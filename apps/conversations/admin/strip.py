"""The evidence under the stages of a rule: what the last week says about it, and samples to judge.

The rule's page loads it from `admin:conversations_rule_evidence`, since `rules` may not import conversations, and asks
again while a replay runs. Without scripts the address is a page.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest
from django.utils.timesince import timesince
from django.utils.translation import gettext

from apps.accounts.audit import record
from apps.accounts.jobs import JobCard
from apps.accounts.models import Course
from apps.accounts.permissions import Verb
from apps.accounts.scoping import may
from apps.common.models import Job
from apps.common.translation import lazy as _
from apps.conversations import evidence, replay
from apps.conversations.evidence import MOST_COUNTED, Evidence
from apps.conversations.models import Appeal, RuleHit
from apps.conversations.searches import Sample, TextPosition, read_again
from apps.rules import examples, recording
from apps.rules.breadth import too_broad
from apps.rules.models import Rule

FRESH = timedelta(days=1)
SHOWN = 3
LATEST = 10
SPENT = {"draft": "", "observe": _("observed for"), "warn": _("warned for"), "enforce": _("enforced for")}


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedSample:
    """A sample of a replay, by its number in it."""

    number: int
    sample: Sample


def strip(request: HttpRequest, rule: Rule, *, now: datetime) -> dict[str, Any]:
    job, waiting = _replays(rule)
    found, by = _figures(rule, job, now=now)
    samples = _samples(rule, job)
    if samples:
        record("samples.read", subject=rule, after={"calls": [one.sample.call.pk for one in samples]})
    since = recording.stretches_of(rule)
    return {
        "evidence": found,
        "by": by,
        "job": job,
        "is_old": job is not None and now - job.created_at > FRESH,
        "card": waiting and JobCard.of(request, waiting),
        "samples": samples,
        "appeals": Appeal.objects.filter(rule=rule).order_by()[:MOST_COUNTED].count(),
        "open_appeals": Appeal.objects.filter(rule=rule, state=Appeal.State.OPEN).order_by()[:MOST_COUNTED].count(),
        "spent": SPENT[rule.stage],
        "spent_time": _spent(rule, now=now),
        "hits": RuleHit.objects.filter(rule=rule).order_by().values("call").distinct()[:MOST_COUNTED].count(),
        "since": since[0].since if since else None,
        "broad": too_broad(rule.pattern, checksum=rule.checksum),
        "may_change": may(request, Verb.CHANGE, "Rule", rule.course_id),
        "keeps_text": _keeps_text(rule),
    }


def _keeps_text(rule: Rule) -> bool:
    return rule.course is None or rule.course.logging == Course.Logging.FULL


def _replays(rule: Rule) -> tuple[Job | None, Job | None]:
    """The latest replay of a week that tells about the rule as it is, and one that is not finished."""
    jobs = Job.objects.filter(kind=replay.KIND, subject=replay.subject(rule))[:LATEST]
    mine = [job for job in jobs if replay.tells_of(rule, job)]
    done = next((job for job in mine if job.state == Job.State.DONE), None)
    return done, next((job for job in mine if not job.is_finished), None)


def _figures(rule: Rule, job: Job | None, *, now: datetime) -> tuple[Evidence | None, str]:
    """The figures, and where they come from: `replay`, `hits`, or `old` for a replay of days ago."""
    if job is not None and now - job.created_at <= FRESH:
        return _of_replay(job), "replay"
    live = evidence.recorded(rule, now=now)
    if live.calls and (live.calls == live.of or job is None):
        return live, "hits"
    return (_of_replay(job), "old") if job is not None else (None, "")


def _of_replay(job: Job) -> Evidence:
    result: dict[str, Any] = job.result or {}
    return Evidence(
        calls=result["with_text"],
        of=result["calls"],
        searched=result["calls"],
        found=result["hit"],
        students=result["students"],
        students_found=result["students_hit"],
        unchecked=result["unchecked"],
    )


def _samples(rule: Rule, job: Job | None) -> list[NumberedSample]:
    """Samples whose text is still there and not yet among the examples."""
    places = (job.result or {}).get("samples", []) if job is not None else []
    known = {line for _, line in examples.lines(f"{rule.examples_match}\n{rule.examples_no_match}")}
    shown: list[NumberedSample] = []
    numbers = {place["call"]: number for number, place in enumerate(places)}
    for sample in read_again([TextPosition(**place) for place in places]):
        if sample.found and sample.found not in known and len(shown) < SHOWN:
            known.add(sample.found)
            shown.append(NumberedSample(number=numbers[sample.call.pk], sample=sample))
    return shown


def _spent(rule: Rule, *, now: datetime) -> str:
    since = recording.stage_since(rule)
    if since is None:
        return ""
    return gettext("less than a minute") if now - since < timedelta(minutes=1) else timesince(since, now, depth=1)
