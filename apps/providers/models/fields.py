"""What the tables of providers share: their topic, and the fields of limits."""

from typing import Any

from django.core.validators import MinValueValidator
from django.db import models

TOPIC = "catalogue"


def seconds(name: str, help_text: str) -> Any:
    """An optional limit in seconds."""
    return models.FloatField(name, null=True, blank=True, validators=[MinValueValidator(0.1)], help_text=help_text)


def count(help_text: str) -> Any:
    """An optional number, 1 or more."""
    return models.PositiveIntegerField(null=True, blank=True, validators=[MinValueValidator(1)], help_text=help_text)
