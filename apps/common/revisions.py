"""Snapshots: immutable in-process copies of staff-managed rows, replaced when their topic's revision changes."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from django.db import OperationalError, connection

from apps.common.models import Revision
from apps.common.outages import database_outage

T = TypeVar("T")
logger = logging.getLogger(__name__)

POLL_SECONDS = 0.5
AT_MOST = 3  # reloads in a row; the next poll looks again anyway


class Snapshot(Generic[T]):
    """The current copy of one topic. `load` runs in a thread and may use the ORM; `current` is safe to read anywhere.

    There is no `current` before the first load. If a later one raises, the previous copy stays in use and the error is
    logged.
    """

    current: T

    def __init__(self, topic: str, load: Callable[[], T]) -> None:
        self.topic = topic
        self._load = load
        self._number: int | None = None

    def refresh(self, number: int) -> bool:
        """Reload if `number` is not the loaded revision. Returns whether it did. Blocking: call it in a thread."""
        if number == self._number:
            return False
        try:
            self.current = self._load()
            self._number = number
            return True
        except Exception:
            if self._number is None:
                raise
            logger.exception("Loading %s failed; the previous copy stays in force", self.topic)
            return False


def refresh_all(snapshots: Sequence[Snapshot[object]]) -> None:
    """Bring all snapshots up to date, with one query for their revisions. Blocking: call it in a thread.

    After a reload, look again at once: a change in the middle of it may have been read in part only.
    """
    try:
        for _ in range(AT_MOST):
            numbers = dict(Revision.objects.values_list("topic", "number"))
            loaded = [snapshot.refresh(numbers.get(snapshot.topic, 0)) for snapshot in snapshots]
            if not any(loaded):
                return
    finally:
        connection.close_if_unusable_or_obsolete()


async def keep_fresh(snapshots: Sequence[Snapshot[object]]) -> None:
    """Poll forever. A database outage is logged, and polling goes on."""
    while True:
        await asyncio.sleep(POLL_SECONDS)
        try:
            await asyncio.to_thread(refresh_all, snapshots)
            database_outage.ended()
        except OperationalError as error:
            database_outage.began(error)
        except Exception:
            logger.exception("Looking for changes failed; asking again")
