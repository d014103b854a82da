"""What operators allow a course at most, whatever its instructors set."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext

from apps.accounts.audit.audited import AuditedModel, AuditedQuerySet
from apps.accounts.models import Course
from apps.common.translation import lazy as _
from apps.quotas.models.fields import TOPIC

COURSE, MEMBER = "most_weekly_tokens", "most_member_weekly_tokens"
Wanted = tuple[str, str, int | None]  # a field, the field of the ceiling that bounds it, and the tokens; None: no limit


class CeilingQuerySet(AuditedQuerySet):
    def for_staff(self, user: Any) -> "CeilingQuerySet":
        return self.filter(course__in=Course.objects.for_staff(user, "Ceiling"))


class Ceiling(AuditedModel):
    """The most that a course and each of its members may have a week, boosts, overrides and grants included.

    Staff who set more are told so. What is above it all the same, because the ceiling came later, does not count.
    """

    topic: ClassVar[str] = TOPIC

    course = models.OneToOneField(Course, on_delete=models.CASCADE, related_name="ceiling")
    most_weekly_tokens = models.BigIntegerField(
        _("course, at most"),
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text=_("Weighted tokens a week for the whole course, boosts included. Empty: no ceiling."),
    )
    most_member_weekly_tokens = models.BigIntegerField(
        _("each member, at most"),
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text=_(
            "Weighted tokens a week for each member: boosts, overrides and grants included. Empty: no ceiling."
        ),
    )

    objects = CeilingQuerySet.as_manager()

    def __str__(self) -> str:
        return f"Ceiling of {self.course}"


class UnderCeiling(models.Model):
    """A row that sets what a course or its members may use. `wanted` says what it sets.

    It is checked wherever it is written: in forms, by saving, and by writing many at once (`checked`).
    """

    class Meta:
        abstract = True

    def save(self, *args: Any, **options: Any) -> None:
        self.check_ceiling()
        super().save(*args, **options)

    @property
    def bounded_course(self) -> int | None:
        """The course whose ceiling counts. None in a form or a file that says it elsewhere."""
        course: int | None = getattr(self, "course_id", None)
        return course

    def wanted(self) -> Iterable[Wanted]:
        raise NotImplementedError

    def check_ceiling(self) -> None:
        """Raise ValidationError if it sets more than operators allow."""
        ceiling = Ceiling.objects.filter(course=self.bounded_course).first()
        mistakes = {} if ceiling is None else dict(self._beyond(ceiling))
        if mistakes:
            raise ValidationError(mistakes)

    def _beyond(self, ceiling: Ceiling) -> Iterable[tuple[str, str]]:
        for name, bound, tokens in self.wanted():
            most = getattr(ceiling, bound)
            if most is not None and (tokens is None or tokens > most):
                amount = (
                    gettext("no limit")
                    if tokens is None
                    else gettext("{tokens} tokens a week").format(tokens=f"{tokens:,}")
                )
                yield (
                    name,
                    gettext("This makes {amount}, and operators allow at most {most} here.").format(
                        amount=amount, most=f"{most:,}"
                    ),
                )


def checked(rows: Iterable[UnderCeiling]) -> list[Any]:
    """The rows, if none sets more than operators allow. Raises ValidationError."""
    found = list(rows)
    for row in found:
        row.check_ceiling()
    return found
