"""Replay: a job that searches a course's recorded calls for what a rule would have found.

It reads recorded text in short queries by primary key, screens it as the rule engine does, and keeps numbers and
positions, never text.
"""

import random
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.dispatch import receiver
from django.urls import reverse
from django.utils import timezone

from apps.accounts.audit import record
from apps.accounts.models import Course, User
from apps.common.jobs import JobFailed, Report, TooManyJobs, ask, job
from apps.common.models import Job
from apps.conversations.models import Call
from apps.conversations.searches import CallToSearch, Tally, book_of, calls_of, look_into, portions, rows_of, texts_of
from apps.rules import recording
from apps.rules.models import Rule
from apps.rules.signals import rule_begins

KIND = "rule-replay"
SPANS = (7, 30)  # days
BATCH = 200  # calls per query
ASKED_AGAIN = timedelta(days=1)


def ask_for(rule: Rule, *, days: int, author: int, page: str, now: datetime) -> Job:
    """Ask for a replay of the rule as it is stored now. Raises TooManyJobs."""
    return ask(
        kind=KIND,
        subject=subject(rule),
        title=f"Replay of {rule.name} over {days} days",
        params={"rule": rule.pk, "days": days, "version": rule.version},
        author=author,
        course=rule.course_id,
        page=page,
        now=now,
    )


def tells_of(rule: Rule, job: Job) -> bool:
    """True if this job replays the last week with what the rule finds now."""
    if job.params.get("days") != SPANS[0]:
        return False
    version = rule.versions.filter(number=(job.result or job.params)["version"]).first()
    return version is not None and recording.finds_the_same(version.fields, recording.same_finds(rule))


@receiver(rule_begins)
def ask_at_once(sender: Any, *, rule: Rule, by: Any, **more: Any) -> None:
    """Replay the last week of a rule that begins, unless that has been asked for. Others may be waiting: then not."""
    now = timezone.now()
    if rule.course is not None and rule.course.logging != Course.Logging.FULL:
        return
    jobs = Job.objects.filter(kind=KIND, subject=subject(rule), created_at__gte=now - ASKED_AGAIN)
    if any(tells_of(rule, job) for job in jobs):
        return
    page = reverse("admin:conversations_replay", args=[rule.pk])
    with suppress(TooManyJobs):
        ask_for(rule, days=SPANS[0], author=by.pk, page=page, now=now)


def subject(rule: Rule) -> str:
    """The subject of a rule's jobs, by which they are found."""
    return f"rule {rule.pk}"


@job(KIND)
def replay(job: Job, report: Report) -> dict[str, Any]:
    rule = Rule.objects.filter(pk=job.params["rule"]).select_related("course").first()
    if rule is None:
        raise JobFailed("The rule has been deleted.")
    if not _may_still_see(job.author, rule):
        raise JobFailed("Whoever asked for it may no longer see this rule.")
    book = book_of(rule)
    since = job.created_at - timedelta(days=job.params["days"])
    calls = calls_of(rule, since=since, until=job.created_at)
    tally = Tally(rule.zone, random.Random(job.pk))  # noqa: S311  # a fair choice, not a secret one
    total = calls.count()
    for rows in _batches(calls):
        texts = texts_of([row.id for row in rows])
        for row in rows:
            look_into(row, texts.get(row.id), rule, book, tally)
        report(min(tally.calls, total), total)
    report(total, total)
    result = {"version": rule.version, **tally.result()}
    record("rule.replayed", subject=rule, after={"job": job.pk, "days": job.params["days"], "calls": result["calls"]})
    return result


def _may_still_see(author: int | None, rule: Rule) -> bool:
    """People who leave while a job waits have no more work done. Jobs of commands have no author."""
    if author is None:
        return True
    person = User.objects.filter(pk=author).first()
    return person is not None and Rule.objects.for_staff(person).filter(pk=rule.pk).exists()


def _batches(calls: QuerySet[Call]) -> Iterator[list[CallToSearch]]:
    """All rows in order, in batches whose text is short enough to be read at once."""
    last = ""
    while True:
        rows = rows_of(calls.filter(pk__gt=last).order_by("pk"), most=BATCH)
        if not rows:
            return
        last = rows[-1].id
        yield from portions(rows)
