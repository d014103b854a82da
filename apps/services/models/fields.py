"""What the tables of services share: their topic, choices, and the fields of limits."""

from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from apps.common.translation import lazy as _

TOPIC = "services"
LONGEST_SECONDS = 86_400.0  # a day; far larger numbers are no spans that clocks can add


class CallerKind(models.TextChoices):
    """Who may call a service: members by their role, or anybody without a key."""

    STUDENT = "student", _("students")
    STAFF = "staff", _("staff of a course")
    SERVICE = "service", _("service accounts")
    ANONYMOUS = "anonymous", _("anybody, without a key")


class Balancing(models.TextChoices):
    WEIGHTED = "weighted", _("in turn, by weight")
    LEAST = "least", _("the one with the fewest requests in flight for its weight")
    BEST_OF_TWO = "best_of_two", _("the better one of two drawn at random")


def seconds(name: str, help_text: str, **options: Any) -> Any:
    """A limit in seconds, at most a day, optional unless it has a default."""
    empty: Any = {} if "default" in options else {"null": True, "blank": True}
    bounds = [MinValueValidator(0.05), MaxValueValidator(LONGEST_SECONDS)]
    return models.FloatField(name, validators=bounds, help_text=help_text, **empty, **options)


def count(help_text: str, **options: Any) -> Any:
    """A number, 1 or more, optional unless it has a default."""
    empty: Any = {} if "default" in options else {"null": True, "blank": True}
    return models.PositiveIntegerField(validators=[MinValueValidator(1)], help_text=help_text, **empty, **options)


def names(help_text: str, **options: Any) -> Any:
    """A list of short texts."""
    return models.JSONField(default=list, blank=True, help_text=help_text, **options)


def pairs(help_text: str, **options: Any) -> Any:
    """Names with their values."""
    return models.JSONField(default=dict, blank=True, help_text=help_text, **options)
