"""Takes over what operators set while Stoa runs, in every process, within two seconds."""

import logging
import threading
import time
from typing import Any

from django.conf import settings
from django.db import OperationalError

from apps.common.outages import database_outage
from apps.common.revisions import Snapshot, refresh_all
from apps.common.slowness import SlowLimits, slowness
from apps.operations.models import TOPIC, LiveSettings

logger = logging.getLogger(__name__)

FOLLOW_SECONDS = 1.0
OURS = ("apps", "gateway_project", "stoa")


def live_settings() -> Snapshot[LiveSettings]:
    """For processes that keep snapshots fresh. Loading one puts it in force."""
    return Snapshot(TOPIC, _load)


def follow() -> threading.Thread:
    """For processes that keep no snapshots: a thread looks once a second."""
    thread = threading.Thread(target=_follow, name="live settings", daemon=True)
    thread.start()
    return thread


def _follow() -> None:
    snapshot: Snapshot[Any] = live_settings()
    while True:
        try:
            refresh_all([snapshot])
            database_outage.ended()
        except OperationalError as error:
            database_outage.began(error)
        except Exception:
            logger.exception("Looking for live settings failed; asking again")
        time.sleep(FOLLOW_SECONDS)


def _load() -> LiveSettings:
    row = LiveSettings.objects.first() or LiveSettings()
    put_in_force(row)
    return row


def put_in_force(row: LiveSettings) -> None:
    set_level(row.log_level or settings.LOG_LEVEL)
    slowness.limits = SlowLimits(query_ms=row.slow_query_ms, call_ms=row.slow_call_ms, rule_ms=row.slow_rule_ms)


def set_level(name: str) -> None:
    """Of our own loggers; libraries say nothing below INFO, since some would quote headers."""
    level = logging.getLevelNamesMapping()[name]
    before = logging.getLogger(OURS[0]).level
    if level > before > logging.NOTSET:
        _say(name)  # while it can still be read
    for ours in OURS:
        logging.getLogger(ours).setLevel(level)
    logging.getLogger().setLevel(max(level, logging.INFO))
    if level < before:
        _say(name)


def _say(name: str) -> None:
    logger.warning("The log level is %s now", name)
