"""The row of a state, which all processes share."""

from datetime import datetime

from django.db import models

from apps.common.health.states import Standing, State


class HealthRow(models.Model):
    """A state, written by whoever finds a change of it. `version` counts the changes: of several who judged the same
    version, the first one counts."""

    class Is(models.TextChoices):
        WELL = Standing.WELL, "well"
        COOLING = Standing.COOLING, "cooling down"
        OPEN = Standing.OPEN, "open"
        PROBATION = Standing.PROBATION, "on probation"
        OUT = Standing.OUT, "out"

    standing = models.CharField(max_length=9, choices=Is.choices, default=Is.WELL)
    version = models.BigIntegerField(default=0)
    reason = models.CharField(max_length=12, blank=True)
    since = models.DateTimeField(null=True)
    until = models.DateTimeField(null=True)
    trial_at = models.DateTimeField(null=True, help_text="From when on a student's call may be the trial.")
    times = models.PositiveIntegerField(default=0, help_text="How often in a row it was opened.")
    error = models.CharField("last error", max_length=300, blank=True)
    failed_at = models.DateTimeField("last failure", null=True)

    class Meta:
        abstract = True

    @property
    def state(self) -> State:
        return State(
            standing=Standing(self.standing),
            reason=self.reason,
            error=self.error,
            since=self.since,
            until=self.until,
            trial_at=self.trial_at,
            times=self.times,
        )

    def standing_at(self, now: datetime) -> Standing:
        """As it is in effect: what cooled down is well."""
        return self.state.in_effect(now)

    def become(self, state: State) -> None:
        """Take a state over as the next version. It is not saved yet."""
        self.standing, self.reason, self.times = state.standing, state.reason, state.times
        self.since, self.until, self.trial_at = state.since, state.until, state.trial_at
        if state.error:
            self.error, self.failed_at = state.error, state.since
        self.version += 1
