"""What health checks found, in the rows that all processes share."""

from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from apps.common.models import Revision
from apps.services.checking.asking import CheckedInstance, CheckFinding
from apps.services.health.checks import CheckPolicy, after_check
from apps.services.health.rows import is_there
from apps.services.models import SERVICE_HEALTH_TOPIC, Instance, InstanceHealth

# Of the service and of what is known, since this is read several times a second.
_NEEDED: Final = (
    "service__allow_private_network",
    "service__health_path",
    "service__health_interval_seconds",
    "service__health_timeout_seconds",
    "service__health_statuses",
    "service__health_good",
    "service__health_bad",
    "health__check_at",
    "health__checked_at",
)


def checked() -> dict[int, tuple[CheckedInstance, datetime | None]]:
    """The instances that have health checks, each with the time of its next one. None: now."""
    rows = Instance.objects.filter(service__is_enabled=True).exclude(service__health_path="")
    needed = rows.select_related("service", "health").only("url", *_NEEDED)
    return {row.pk: (_checked(row), _next_of(row)) for row in needed}


def keep(instance: CheckedInstance, found: CheckFinding, *, at: datetime, next_at: datetime) -> None:
    """Take down what a check found, and change the state of its instance if it says so."""
    with transaction.atomic():
        if not is_there(instance.id):
            return
        row = InstanceHealth.objects.select_for_update().get(pk=instance.id)
        before = row.state
        error = found.error[:300]
        after = after_check(before, row.streak, instance.policy, error=error, now=at)
        row.note_check(error=error, latency_ms=found.latency_ms, at=at, next_at=next_at)
        if after is not None and after.turning != before.turning:
            row.become(after)
        elif after is not None:
            row.trial_at = after.trial_at
        row.save()
        if after is not None:
            Revision.bump(SERVICE_HEALTH_TOPIC)


def _next_of(row: Instance) -> datetime | None:
    """A changed interval counts at once."""
    health: InstanceHealth | None = getattr(row, "health", None)
    if health is None or health.check_at is None or health.checked_at is None:
        return None
    return min(health.check_at, health.checked_at + timedelta(seconds=1.1 * row.service.health_interval_seconds))


def _checked(row: Instance) -> CheckedInstance:
    service = row.service
    return CheckedInstance(
        id=row.pk,
        url=row.url.rstrip("/") + "/" + service.health_path.lstrip("/"),
        allow_private=service.allow_private_network,
        timeout=service.health_timeout_seconds,
        statuses=service.health_statuses,
        policy=CheckPolicy(interval=service.health_interval_seconds, good=service.health_good, bad=service.health_bad),
    )
