"""Choices that several tables share."""

from django.db import models

TOPIC = "principals"
TOKENS = "tokens"


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
