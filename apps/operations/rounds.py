"""One round of a worker: what happened is found, stored and sent."""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path

from django.db import OperationalError

from apps.common.outages import database_outage
from apps.common.owners import only_one
from apps.operations.delivering import deliver
from apps.operations.keeping import keep
from apps.operations.models import Notification, NotificationChannel
from apps.operations.noticing import allowances, dead_letters, disks, provider_events

logger = logging.getLogger(__name__)

ALLOWANCES_EVERY = timedelta(seconds=30)  # they read all policies
_looked_at: dict[str, datetime] = {}


def look(*, owners: Path, data: Path, clock: Callable[[], datetime]) -> int:
    """What a worker does every few seconds, unless a round is running on this machine. Returns how many were sent.

    A database outage is logged once, and not raised.
    """
    try:
        with only_one(owners / "notifications.place") as alone:
            sent = _round(data, clock) if alone else 0
    except OperationalError as error:
        database_outage.began(error)
        return 0
    database_outage.ended()
    return sent


def _round(data: Path, clock: Callable[[], datetime]) -> int:
    channels = list(NotificationChannel.objects.filter(is_active=True))
    if not channels:
        return 0
    now = clock()
    for found in _sources(data, now):
        keep(found, channels, now=now)
    return deliver(channels, now=clock())


def _sources(data: Path, now: datetime) -> Iterable[Iterable[Notification]]:
    yield provider_events.found(now=now)
    yield dead_letters.found(now=now)
    yield disks.found(disks.disk_of(data), now=now)
    last = _looked_at.get("allowances")
    if last is None or now - last >= ALLOWANCES_EVERY or now < last:
        _looked_at["allowances"] = now
        yield allowances.found(now=now)
