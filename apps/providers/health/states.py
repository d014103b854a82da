"""The state of a deployment or a credential as a value, and the words for what went wrong. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Standing(StrEnum):
    WELL = "well"
    COOLING = "cooling"  # until a moment that the provider named; well by itself afterwards
    OPEN = "open"  # a deployment that failed too often
    PROBATION = "probation"  # a deployment that was open, and whose health check is good again
    OUT = "out"  # a credential that the provider refuses


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """`times` is how often in a row a deployment has been opened."""

    standing: Standing = Standing.WELL
    reason: str = ""
    error: str = ""
    since: datetime | None = None
    until: datetime | None = None
    times: int = 0
    trial_at: datetime | None = None  # from when on a student's call may be the trial

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

_WORDS = {
    "unreachable": "No connection could be made.",
    "too_slow": "It did not begin to answer in time.",
    "broken": "It broke off its answer.",
    "empty": "It answered with nothing.",
    "credential": "It refuses this credential.",
    "billing": "It says that this account cannot pay.",
    "rate": "It has reached the rate limit of this credential.",
    "error": "It answered with an error of its own.",
    "missing": "It does not know this model, or the base URL is wrong.",
}


def in_words(reason: str, detail: str, *, secret: str = "") -> str:
    """A sentence for the operator. `detail` is ours by the promise of adapters; one that quotes the secret is not."""
    quotes = bool(secret) and secret in detail
    return " ".join(filter(None, (_WORDS.get(reason, ""), "" if quotes else detail)))[:300]
