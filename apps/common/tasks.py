"""Celery tasks for jobs."""

from datetime import UTC, datetime
from typing import Any

from celery import shared_task
from django.conf import settings

from apps.common import jobs
from apps.common.models import Job


@shared_task(ignore_result=True)
def run_jobs(**kwargs: Any) -> int:
    """Run waiting jobs, as far as this machine has slots for them."""
    return jobs.look(owners=settings.OWNER_DIR)


@shared_task(ignore_result=True)
def forget_jobs(**kwargs: Any) -> int:
    """Delete jobs that ended long ago."""
    return Job.objects.forget_old(now=datetime.now(UTC))
