"""Choices that several tables share."""

import zoneinfo

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext

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
    STUDENT = "student"
    ASSISTANT = "assistant"
    INSTRUCTOR = "instructor"
    SERVICE = "service"  # a program, not a person

    @classmethod
    def staff(cls) -> tuple["Role", ...]:
        return (cls.ASSISTANT, cls.INSTRUCTOR)


class Weekday(models.TextChoices):
    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"

    @property
    def number(self) -> int:
        """As in `date.weekday()`: Monday is 0."""
        return list(type(self)).index(self)
