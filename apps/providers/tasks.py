"""Celery tasks of providers."""

from datetime import UTC, datetime
from typing import Any

from celery import shared_task
from django.conf import settings

from apps.providers.probes import rounds


@shared_task(ignore_result=True)
def probe_providers(**kwargs: Any) -> int:
    """Ask the providers whose health check is due."""
    return rounds.look(owners=settings.OWNER_DIR, clock=lambda: datetime.now(UTC))
