"""Celery tasks of services."""

from datetime import UTC, datetime
from typing import Any

from celery import shared_task
from django.conf import settings

from apps.services.checking import rounds
from apps.services.records import rows


@shared_task(ignore_result=True)
def forget_service_requests(**kwargs: Any) -> int:
    """Delete records and counts of requests that are two weeks old, or too many."""
    return rows.forget(now=datetime.now(UTC))


@shared_task(ignore_result=True)
def check_instances(**kwargs: Any) -> int:
    """Ask the instances whose health check is due."""
    return rounds.look(owners=settings.OWNER_DIR, clock=lambda: datetime.now(UTC))
