"""Celery tasks of conversations."""

import logging
from datetime import UTC, datetime
from typing import Any

from celery import shared_task
from django.conf import settings
from django.db import OperationalError

from apps.common.outages import database_outage
from apps.conversations import replay  # noqa: F401  # workers know its kind of job by this
from apps.conversations.figures import keeping
from apps.conversations.search import filling
from apps.conversations.search.index import index
from apps.conversations.spool.draining import drain_all

logger = logging.getLogger(__name__)

FILLING_SECONDS = 0.5  # draining waits meanwhile


@shared_task(ignore_result=True)
def drain_spools(**kwargs: Any) -> int:
    """Bring the records in this machine's spools into the database."""
    try:
        drained = drain_all(spools=settings.SPOOL_DIR, owners=settings.OWNER_DIR)
    except OperationalError as error:
        database_outage.began(error)  # nothing is lost: the records stay in the spools
        return 0
    if drained:  # draining nothing does not query the database
        database_outage.ended()
        logger.info("Drained %d records", drained)
    return drained


@shared_task(ignore_result=True)
def keep_figures(**kwargs: Any) -> int:
    """Count the calls that have ended, for the pages that show use."""
    return keeping.keep(now=datetime.now(UTC))


@shared_task(ignore_result=True)
def count_figures_again(**kwargs: Any) -> int:
    """Find calls of the last days that came late."""
    return keeping.count_again(now=datetime.now(UTC))


@shared_task(ignore_result=True)
def fill_search_index(**kwargs: Any) -> int:
    """Enter text of before there was an index, and tidy the index, for a while."""
    try:
        filled = filling.fill(seconds=FILLING_SECONDS)
        index().tidy(seconds=FILLING_SECONDS)
    except OperationalError as error:
        database_outage.began(error)
        return 0
    if filled:
        logger.info("Entered the text of %d calls in the index of words", filled)
    return filled
