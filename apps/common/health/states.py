"""How something is that others answer for, such as a deployment or an instance, as a value. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Standing(StrEnum):
    WELL = "well"
    COOLING = "cooling"  # until a moment that it named; well by itself afterwards
    OPEN = "open"  # it failed too often
    PROBATION = "probation"  # it was open, and its health check is good again
    OUT = "out"  # a credential that the provider refuses


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """`times` is how often in a row it has been opened."""

    standing: Standing = Standing.WELL
    reason: str = ""
    error: str = ""
    since: datetime | None = None
    until: datetime | None = None
    times: int = 0
    trial_at: datetime | None = None  # from when on a caller's request may be the trial

    @property
    def is_open(self) -> bool:
        """Whether the next call is a trial."""
        return self.standing in (Standing.OPEN, Standing.PROBATION)

    @property
    def turning(self) -> tuple[object, ...]:
        """What differs when the state has changed."""
        return self.standing, self.times, self.since, self.until

    def is_cooling(self, now: datetime) -> bool:
        return self.standing == Standing.COOLING and not self.is_over(now)

    def in_effect(self, now: datetime) -> Standing:
        """What cooled down is well."""
        return Standing.WELL if self.standing == Standing.COOLING and self.is_over(now) else self.standing

    def may_be_tried(self, now: datetime) -> bool:
        """Whether its time is over, and no health check is to settle it."""
        return self.is_over(now) and (self.trial_at is None or now >= self.trial_at)

    def is_over(self, now: datetime) -> bool:
        """Whether the time that was set has passed."""
        return self.until is None or now >= self.until


WELL = State()
