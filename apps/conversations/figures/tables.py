"""The tables of kept figures."""

from django.db import models

from apps.accounts.models import Course

COUNTS = ("calls", "answered", "rescued", "blocked", "out_of_quota", "failed", "charged")


class CourseUse(models.Model):
    """The calls of a course to one model on one day of the course's clock.

    `calls` are all of them: answered, refused by a rule, out of quota, and failed. `rescued` are answers by another
    deployment than the first one asked.
    """

    course = models.ForeignKey(Course, on_delete=models.CASCADE, related_name="+", db_index=False)
    day = models.DateField()
    model = models.CharField(max_length=100)
    calls = models.BigIntegerField(default=0)
    answered = models.BigIntegerField(default=0)
    rescued = models.BigIntegerField(default=0)
    blocked = models.BigIntegerField(default=0)
    out_of_quota = models.BigIntegerField(default=0)
    failed = models.BigIntegerField(default=0)
    charged = models.BigIntegerField(default=0, help_text="Weighted tokens.")

    class Meta:
        ordering = ("course", "day", "model")
        constraints = (models.UniqueConstraint(fields=("course", "day", "model"), name="one_use_per_day_and_model"),)
        indexes = (models.Index(fields=("day",), name="use_by_day"),)

    def __str__(self) -> str:
        return f"{self.course_id}, {self.day}, {self.model}"


class ProviderUse(models.Model):
    """What a provider did in one half hour: answers, and attempts that failed.

    The row without a provider has the calls that nobody answered.
    """

    provider = models.CharField(max_length=60, blank=True)
    since = models.DateTimeField()
    answered = models.BigIntegerField(default=0)
    failed = models.BigIntegerField(default=0)

    class Meta:
        ordering = ("provider", "since")
        constraints = (models.UniqueConstraint(fields=("since", "provider"), name="one_use_per_provider_and_time"),)

    def __str__(self) -> str:
        return f"{self.provider}, {self.since}"


class FiguresMark(models.Model):
    """At most one row: calls with ids up to this one are in the kept figures."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    counted_to = models.CharField(max_length=32, blank=True, default="")

    class Meta:
        constraints = (models.CheckConstraint(condition=models.Q(id=1), name="only_one_figures_mark"),)

    def __str__(self) -> str:
        return self.counted_to
