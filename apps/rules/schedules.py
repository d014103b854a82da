"""When a rule is in force: between two instants, and on days and hours in the time zone of the course. Pure."""

from dataclasses import dataclass
from datetime import datetime, time

from apps.common.zones import zone

MIDNIGHT = time(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Limits that must all hold; an empty one does not limit. Starts are inclusive, and ends are exclusive.

    `weekdays` are digits as in `date.weekday()`, "04" for Mondays and Fridays; none means every day. Hours that reach
    `until_time` after midnight belong to the day on which they began. When clocks are set back, a repeated hour counts
    twice; when they are set forward, skipped hours do not occur.
    """

    starts_at: datetime | None = None
    ends_at: datetime | None = None
    weekdays: str = ""
    from_time: time | None = None
    until_time: time | None = None

    def covers(self, now: datetime, *, timezone: str) -> bool:
        """True if this instant is within the schedule in this time zone."""
        if self.starts_at is not None and now < self.starts_at:
            return False
        if self.ends_at is not None and now >= self.ends_at:
            return False
        return not self.is_weekly or self._covers_hour(now.astimezone(zone(timezone)))

    @property
    def is_weekly(self) -> bool:
        return bool(self.weekdays) or self.from_time is not None or self.until_time is not None

    def _covers_hour(self, local: datetime) -> bool:
        start, end = self.from_time or MIDNIGHT, self.until_time or MIDNIGHT
        today, yesterday = local.weekday(), (local.weekday() - 1) % 7
        if start < end:
            return self._has(today) and start <= local.time() < end
        return (self._has(today) and start <= local.time()) or (self._has(yesterday) and local.time() < end)

    def _has(self, weekday: int) -> bool:
        return not self.weekdays or str(weekday) in self.weekdays


ALWAYS = Schedule()
