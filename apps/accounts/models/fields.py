"""Choices that several tables share."""

import zoneinfo

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext

from apps.common.translation import lazy as _

TOPIC = "principals"
TOKENS = "tokens"


def validate_timezone(name: str) -> None:
    if name not in zoneinfo.available_timezones():
        raise ValidationError(
            gettext("“{name}” is not a time zone. Use a name such as Europe/Helsinki or America/New_York.").format(
                name=name
            )
        )


class Role(models.TextChoices):
    STUDENT = "student", _("Student")
    ASSISTANT = "assistant", _("Assistant")
    INSTRUCTOR = "instructor", _("Instructor")
    SERVICE = "service", _("Service")  # a program, not a person

    @classmethod
    def staff(cls) -> tuple["Role", ...]:
        return (cls.ASSISTANT, cls.INSTRUCTOR)


class Weekday(models.TextChoices):
    MONDAY = "monday", _("Monday")
    TUESDAY = "tuesday", _("Tuesday")
    WEDNESDAY = "wednesday", _("Wednesday")
    THURSDAY = "thursday", _("Thursday")
    FRIDAY = "friday", _("Friday")
    SATURDAY = "saturday", _("Saturday")
    SUNDAY = "sunday", _("Sunday")

    @property
    def number(self) -> int:
        """As in `date.weekday()`: Monday is 0."""
        return list(type(self)).index(self)
