"""How long an allowance lasts at the pace of the week so far. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from django.utils.translation import gettext

from apps.common.display import Level

EARLY = timedelta(hours=12)  # before that, a pace says nothing


@dataclass(frozen=True, slots=True)
class Forecast:
    kind: Literal["unlimited", "used up", "too early", "lasts", "ends"]
    ends_at: datetime | None = None

    @property
    def level(self) -> Level:
        return {"used up": "bad", "ends": "warning"}.get(self.kind, "")  # type: ignore[return-value]

    def words(self, zone: ZoneInfo) -> str:
        if self.ends_at is not None:
            return gettext("lasts until {ends_at} at this pace").format(ends_at=f"{self.ends_at.astimezone(zone):%A}")
        return {
            "unlimited": gettext("no limit for the course"),
            "used up": gettext("used up: every call is refused"),
            "too early": gettext("too early for a forecast"),
            "lasts": gettext("lasts the week at this pace"),
        }[self.kind]


def forecast(*, used: int, limit: int | None, starts_at: datetime, ends_at: datetime, now: datetime) -> Forecast:
    """At the average pace since the week began."""
    if limit is None:
        return Forecast("unlimited")
    if used >= limit:
        return Forecast("used up")
    passed = now - starts_at
    if passed < EARLY:
        return Forecast("too early")
    if used <= 0:
        return Forecast("lasts")
    seconds = passed.total_seconds() * limit / used
    if seconds >= (ends_at - starts_at).total_seconds():
        return Forecast("lasts")
    return Forecast("ends", starts_at + timedelta(seconds=seconds))
