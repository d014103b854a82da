"""The week of an account, computed from the clock; no job resets it.

A week runs from local midnight of the reset day to local midnight seven days later. A change to or from daylight saving
time makes it 167 or 169 hours long (on Lord Howe Island 167.5 or 168.5).
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from apps.common.zones import zone


@dataclass(frozen=True, slots=True)
class Week:
    """Both instants are in UTC. `starts_at` belongs to the week, and `ends_at` to the next."""

    starts_at: datetime
    ends_at: datetime
    timezone: str


def week_at(now: datetime, *, timezone: str, first_day: int) -> Week:
    """The week that contains `now`. `first_day` counts from Monday = 0."""
    latest = _latest.get((timezone, first_day))
    if latest is not None and latest.starts_at <= now < latest.ends_at:
        return latest
    today = now.astimezone(zone(timezone)).date()
    week = _week_from(today - timedelta(days=(today.weekday() - first_day) % 7), timezone)
    _latest[timezone, first_day] = week
    return week


# The latest week by zone and first day; nearly always it is asked for again.
_latest: dict[tuple[str, int], Week] = {}


@lru_cache(maxsize=1024)
def _week_from(first: date, timezone: str) -> Week:
    return Week(_midnight(first, timezone), _midnight(first + timedelta(days=7), timezone), timezone)


def _midnight(day: date, timezone: str) -> datetime:
    """The first instant of a local day. Where midnight is skipped, that is the instant of the jump."""
    return datetime(day.year, day.month, day.day, tzinfo=zone(timezone)).astimezone(UTC)
