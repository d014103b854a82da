"""Wakes a worker before beat would."""

import logging
import threading

from django.conf import settings
from django.db import transaction

logger = logging.getLogger(__name__)


def nudge(task: str) -> None:
    """With a broker, run the task as soon as this transaction is committed. Without one, beat runs it within a second.

    Every task finds its work in tables, so it does not matter if a nudge is lost.
    """
    if not settings.CELERY_BROKER_URL.startswith("memory:"):
        transaction.on_commit(lambda: threading.Thread(target=_send, args=(task,), name="nudge", daemon=True).start())


def _send(task: str) -> None:
    """Nobody waits for the message."""
    from celery import current_app  # imported only if there is a broker

    try:
        current_app.send_task(task, expires=5, retry=False, ignore_result=True)
    except Exception as error:
        logger.warning("No worker could be told to run %s; beat finds it: %s", task, error)
