"""Background work on jobs."""

import logging
import threading
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
    """Have a worker look for jobs now. Nobody waits for the message, and the row is there whatever becomes of it."""
    threading.Thread(target=_send, name="nudge", daemon=True).start()


def _send() -> None:
    try:
        run_jobs.apply_async(expires=5, retry=False)
    except Exception as error:
        logger.warning("No worker could be told of a new job; beat finds it: %s", error)
