"""Counting calls and attempts. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

# The outcome of a call, by its status.
OUTCOMES = {
    "answered": "answered",
    "left": "answered",
    "blocked": "blocked",
    "out_of_quota": "out_of_quota",
    "failed": "failed",
    "interrupted": "failed",
}


class CountedCall(NamedTuple):
    """What counting needs of a call, in the order of `COLUMNS`."""

    id: str
    course_id: int
    model: str
    status: str
    attempts: int
    provider: str
    charged: int
    started_at: datetime


COLUMNS = CountedCall._fields


class FailedAttempt(NamedTuple):
    call_id: str
    provider: str
    outcome: str


class UsePlace(NamedTuple):
    course_id: int
    day: date
    model: str


@dataclass(slots=True)
class UseCount:
    calls: int = 0
    answered: int = 0
    rescued: int = 0
    blocked: int = 0
    out_of_quota: int = 0
    failed: int = 0
    charged: int = 0

    def add(self, other: "UseCount") -> None:
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))

    @property
    def refused(self) -> int:
        return self.blocked + self.out_of_quota


def total(counts: Iterable[UseCount]) -> UseCount:
    whole = UseCount()
    for count in counts:
        whole.add(count)
    return whole


def by_day(calls: Iterable[CountedCall], zones: Mapping[int, ZoneInfo]) -> dict[UsePlace, UseCount]:
    """By course, day of the course's clock and model. The day is that of the instant by which the ledger chose the
    week, so that the days of a week add up to it. Calls of other courses are left out."""
    counts: dict[UsePlace, UseCount] = {}
    for call in calls:
        zone = zones.get(call.course_id)
        if zone is None:
            continue
        count = counts.setdefault(
            UsePlace(call.course_id, call.started_at.astimezone(zone).date(), call.model), UseCount()
        )
        count.calls += 1
        count.charged += call.charged
        outcome = OUTCOMES.get(call.status, "failed")
        setattr(count, outcome, getattr(count, outcome) + 1)
        count.rescued += outcome == "answered" and call.attempts > 1
    return counts


def half_hour(at: datetime) -> datetime:
    return at.replace(minute=at.minute // 30 * 30, second=0, microsecond=0)


def by_provider(
    calls: Iterable[CountedCall], attempts: Iterable[FailedAttempt], *, at: Mapping[str, datetime]
) -> dict[tuple[str, datetime], tuple[int, int]]:
    """Answers and failed attempts by provider and half hour. `at` says when the call of an attempt began. The provider
    without a name has the calls that nobody answered."""
    counts: dict[tuple[str, datetime], tuple[int, int]] = {}
    for call in calls:
        if call.provider and OUTCOMES.get(call.status) in ("answered", "blocked"):
            _count(counts, call.provider, call.started_at, answered=1)
        elif OUTCOMES.get(call.status) == "failed":
            _count(counts, "", call.started_at, failed=1)
    for attempt in attempts:
        if attempt.outcome != "answered" and attempt.call_id in at:
            _count(counts, attempt.provider, at[attempt.call_id], failed=1)
    return counts


def _count(
    counts: dict[tuple[str, datetime], tuple[int, int]],
    provider: str,
    moment: datetime,
    *,
    answered: int = 0,
    failed: int = 0,
) -> None:
    key = provider, half_hour(moment)
    before = counts.get(key, (0, 0))
    counts[key] = before[0] + answered, before[1] + failed
