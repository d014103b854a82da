"""Fields that several tables share."""

from django.core.validators import MinValueValidator
from django.db import models

TOPIC = "policies"
LONGEST_REASON = 1000
TOKENS_HELP = "Weighted tokens a week. Empty: no limit."


def limit(name: str, help_text: str) -> "models.PositiveIntegerField[int | None, int | None]":
    return models.PositiveIntegerField(
        name, null=True, blank=True, validators=[MinValueValidator(1)], help_text=help_text
    )
