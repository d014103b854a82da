"""What a rule would have done in the last week's calls, looked up while somebody waits to enforce it.

The search is bounded in time and in calls, and begins with the latest calls. A replay, which is a job, searches all of
them. Where a course keeps no text, recorded hits answer instead.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet

from apps.accounts.models import Course
from apps.common.ids import first_id
from apps.conversations.models import Call, RuleHit
from apps.conversations.searches import (
    Sample,
    Tally,
    book_of,
    calls_of,
    look_into,
    portions,
    read_again,
    rows_of,
    texts_of,
)
from apps.rules import recording
from apps.rules.models import Rule
from apps.rules.stages import ENOUGH_CALLS, LOOKS_BACK, HitRate

SECONDS = 2.0
A_MOMENT = timedelta(seconds=1)  # so that calls of this very instant count
MOST_CALLS = 2_000  # looked at
MOST_COUNTED = 20_000  # calls; above this, counts say "more than"
MOST_STRETCHES = 20
SHOWN = 5  # samples
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Calls with text that were searched, and those in which the rule is found. `of` counts all calls of that time."""

    calls: int
    of: int
    searched: int  # with those that have no text
    found: int
    students: int
    students_found: int
    unchecked: int = 0
    samples: tuple[Sample, ...] = ()
    is_recorded: bool = False  # by recorded hits, not by a search of the text

    @property
    def rate(self) -> HitRate:
        return HitRate(found=self.found, calls=self.calls)

    @property
    def is_safe(self) -> bool:
        """True if nothing speaks against enforcing the rule now."""
        return not (self.rate.is_little or self.rate.is_much or self.unchecked)

    @property
    def is_bounded(self) -> bool:
        """True if there are calls that were not reached."""
        return self.searched < self.of

    @property
    def without_text(self) -> int:
        return self.searched - self.calls

    @property
    def is_capped(self) -> bool:
        return self.of >= MOST_COUNTED


def look(rule: Rule, *, now: datetime, clock: Clock = time.monotonic) -> Evidence:
    """Search the last week's calls for the rule, as it is in this object, saved or not."""
    found = _by_search(rule, now=now, clock=clock)
    keeps_text = rule.course is None or rule.course.logging == Course.Logging.FULL
    return found if keeps_text or found.calls >= ENOUGH_CALLS else recorded(rule, now=now)


def _by_search(rule: Rule, *, now: datetime, clock: Clock) -> Evidence:
    until = clock() + SECONDS
    calls = calls_of(rule, since=now - LOOKS_BACK, until=now + A_MOMENT).order_by("-pk")
    tally = Tally(rule.zone, random.Random(now.timestamp()))  # noqa: S311  # a fair choice, not a secret one
    rows = rows_of(calls, most=MOST_CALLS)
    book = book_of(rule)
    for portion in portions(rows) if rows else ():
        if clock() > until:
            break
        texts = texts_of([row.id for row in portion])
        for row in portion:
            look_into(row, texts.get(row.id), rule, book, tally)
            if clock() > until:
                break
    return Evidence(
        calls=tally.with_text,
        searched=tally.calls,
        of=calls.order_by()[:MOST_COUNTED].count(),
        found=tally.hit,
        students=len(tally.members),
        students_found=len(tally.sample_of),
        unchecked=tally.unchecked,
        samples=tuple(read_again(tally.chosen()[:SHOWN])),
    )


def recorded(rule: Rule, *, now: datetime) -> Evidence:
    """What the rule recorded in the last week, in all stages but draft, since it last changed what it finds."""
    calls, hits = _while_recording(rule, now=now)
    hits = hits.filter(version__gt=_finding_else(rule))
    some = hits.values_list("call", flat=True).distinct()[:MOST_COUNTED]
    found, counted = list(some), calls.order_by()[:MOST_COUNTED].count()
    return Evidence(
        calls=counted,
        searched=counted,
        of=calls_of(rule, since=now - LOOKS_BACK, until=now + A_MOMENT).order_by()[:MOST_COUNTED].count(),
        found=len(found),
        students=_students(calls.order_by("-pk")[:MOST_COUNTED]),
        students_found=_students(Call.objects.filter(pk__in=some)),
        is_recorded=True,
    )


def _while_recording(rule: Rule, *, now: datetime) -> tuple[QuerySet[Call], QuerySet[RuleHit]]:
    """Calls and hits of the last week, as far as the rule recorded what it finds now."""
    since = now - LOOKS_BACK
    times = [
        (max(stretch.since, since), stretch.ends(now))
        for stretch in recording.stretches_of(rule)[-MOST_STRETCHES:]
        if stretch.ends(now) > since
    ]
    hits = RuleHit.objects.filter(rule=rule.pk, call__gte=first_id(since)).order_by()
    if not times:
        return Call.objects.none(), hits.none()
    calls: Any = Call.objects.none()
    for start, end in times:
        calls = calls | calls_of(rule, since=start, until=end)
    return calls, hits


def _finding_else(rule: Rule) -> int:
    """The last version that was found elsewhere than the rule is now; 0 if there is none."""
    same = {f"fields__{name}": value for name, value in recording.same_finds(rule).items()}
    last = rule.versions.exclude(**same).order_by("-number").values_list("number", flat=True).first()
    return int(last or 0)


def _students(calls: QuerySet[Call]) -> int:
    return len(set(calls.values_list("membership", flat=True)))
