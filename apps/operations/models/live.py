"""Settings that operators change while Stoa runs."""

from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from apps.accounts.audit.audited import AuditedModel, AuditedQuerySet
from apps.common.translation import lazy as _
from apps.operations.models.fields import TOPIC


def milliseconds(name: str, default: int, help_text: str) -> "models.PositiveIntegerField[int, int]":
    most = MaxValueValidator(3_600_000)
    return models.PositiveIntegerField(
        name, default=default, validators=[MinValueValidator(1), most], help_text=help_text
    )


class LiveSettings(AuditedModel):
    """What all processes take over within two seconds. At most one row; without it, the defaults hold."""

    topic: ClassVar[str] = TOPIC
    audit_noun: ClassVar[str] = "configuration"

    class LogLevel(models.TextChoices):
        DEBUG = "DEBUG", _("debug")
        INFO = "INFO", _("info")
        WARNING = "WARNING", _("warning")
        ERROR = "ERROR", _("error")

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    log_level = models.CharField(
        max_length=7, choices=LogLevel.choices, blank=True, help_text=_("Empty: as LOG_LEVEL said at the start.")
    )
    slow_query_ms = milliseconds(
        "slow query, in milliseconds", 1000, "A database query that takes longer is logged, without its values."
    )
    slow_call_ms = milliseconds(
        "slow call, in milliseconds", 30_000, "A request of the student API whose answer begins later is logged."
    )
    slow_rule_ms = milliseconds(
        "slow rules, in milliseconds", 100, "Checking a course's rules on one text is logged if it takes longer."
    )

    objects = AuditedQuerySet.as_manager()

    class Meta:
        verbose_name = _("live settings")
        verbose_name_plural = _("live settings")
        constraints = (models.CheckConstraint(condition=Q(id=1), name="only_one_row_of_live_settings"),)

    def __str__(self) -> str:
        return "Live settings"
