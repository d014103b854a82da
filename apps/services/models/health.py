"""How instances are, as all processes see it."""

from datetime import datetime

from django.db import models

from apps.common.health.rows import HealthRow
from apps.common.health.states import State
from apps.common.models import Revision
from apps.common.translation import lazy as _

SERVICE_HEALTH_TOPIC = "service health"


class InstanceHealth(HealthRow):
    """What requests and health checks found. `streak` counts good checks in a row, or bad ones below zero."""

    instance = models.OneToOneField(
        "services.Instance", on_delete=models.CASCADE, primary_key=True, related_name="health"
    )
    streak = models.IntegerField(default=0)
    check_error = models.CharField(
        max_length=300, blank=True, help_text=_("What the last check found. Empty: all well.")
    )
    checked_at = models.DateTimeField(_("last check"), null=True)
    check_at = models.DateTimeField(_("next check"), null=True)
    latency_ms = models.PositiveIntegerField(null=True, help_text=_("Of the last check that was answered."))

    class Meta:
        verbose_name_plural = _("health of instances")

    def __str__(self) -> str:
        return f"{self.instance}: {self.get_standing_display()}"

    def note_check(self, *, error: str, latency_ms: int | None, at: datetime, next_at: datetime) -> None:
        """Count a health check. `error` is empty if it was good. It is not saved yet."""
        self.streak = max(self.streak, 0) + 1 if not error else min(self.streak, 0) - 1
        self.check_error, self.checked_at, self.check_at = error[:300], at, next_at
        self.latency_ms = self.latency_ms if latency_ms is None else latency_ms

    def start_anew(self) -> None:
        """Forget what was found, as it was at another address."""
        self.become(State())
        self.error, self.failed_at = "", None
        self.streak, self.check_error, self.checked_at, self.check_at, self.latency_ms = 0, "", None, None, None
        self.save()
        Revision.bump(SERVICE_HEALTH_TOPIC)
