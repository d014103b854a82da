"""Background work on jobs."""

import logging
from datetime import UTC, datetime
from typing import Any

from celery import shared_task
from django.conf import settings

from apps.common import jobs
from apps.common.models import Job

logger = logging.getLogger(__name__)


@shared_task(ignore_result=True)
def run_jobs(**kwargs: Any) -> int:
    """Do the jobs that wait, as far as this machine has its hands free."""
    return jobs.look(owners=settings.OWNER_DIR)


@shared_task(ignore_result=True)
def forget_jobs(**kwargs: Any) -> int:
    """Remove jobs that ended long ago."""
    return Job.objects.forget_old(now=datetime.now(UTC))


def nudge() -> None:
    """Have a worker look for jobs now. The row is there whatever becomes of the message, so nothing is raised."""
    try:
        run_jobs.apply_async(expires=5, retry=False)
    except Exception as error:
        logger.warning("No worker could be told of a new job; beat finds it: %s", error)
