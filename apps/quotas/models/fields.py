"""Fields that several tables share."""

from typing import Any

from django.core.validators import MinValueValidator
from django.db import models

from apps.common.translation import lazy as _

TOPIC = "policies"
LONGEST_REASON = 1000
TOKENS_HELP = _("Weighted tokens a week. Empty: no limit.")


def limit(name: str, help_text: Any) -> "models.PositiveIntegerField[int | None, int | None]":
    return models.PositiveIntegerField(
        name, null=True, blank=True, validators=[MinValueValidator(1)], help_text=help_text
    )


class LastingId(models.BigAutoField):  # type: ignore[type-arg]
    """The id of rows that nobody ever deletes. Django has SQLite remember the greatest id there has been, in another
    table that each insertion writes to; here it is the greatest that is there."""

    def db_type_suffix(self, connection: Any) -> str | None:
        return None if connection.vendor == "sqlite" else super().db_type_suffix(connection)
