"""Celery tasks of operations."""

from datetime import UTC, datetime
from typing import Any

from celery import shared_task
from django.conf import settings

from apps.operations import rounds
from apps.operations.models import Notification


@shared_task(ignore_result=True)
def notify(**kwargs: Any) -> int:
    """Tell the notification channels what has happened."""
    return rounds.look(owners=settings.OWNER_DIR, data=settings.DATA_DIR, clock=lambda: datetime.now(UTC))


@shared_task(ignore_result=True)
def forget_notifications(**kwargs: Any) -> int:
    """Delete notifications of long ago, with their deliveries."""
    deleted, _ = Notification.objects.filter(at__lt=datetime.now(UTC) - Notification.KEPT).delete()
    return deleted
