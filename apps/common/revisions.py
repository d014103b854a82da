"""Snapshots: immutable in-process copies of staff-managed rows, swapped whole when their topic's revision moves."""

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
AT_MOST = 3  # times in a row; the next poll looks again anyway


class Snapshot(Generic[T]):
    """The current copy of one topic. `load` runs in a thread and may use the ORM; `current` is safe to read anywhere.

    A load that raises keeps the copy that there was: staff get a broken change reported, students keep working.
    """

    def __init__(self, topic: str, load: Callable[[], T]) -> None:
        self.topic = topic
        self._load = load
        self._current: T | None = None
        self._number: int | None = None

    @property
    def current(self) -> T:
        if self._current is None:
            raise RuntimeError(f"The snapshot of {self.topic} was read before it was loaded.")
        return self._current

    def refresh(self, number: int) -> bool:
        """Load again if the revision differs from the loaded one; whether it did. Blocking: call it in a thread."""
        if number == self._number and self._current is not None:
            return False
        try:
            self._current = self._load()
            self._number = number
            return True
        except Exception:
            if self._current is None:
                raise
            logger.exception("Loading %s failed; the previous copy stays in force", self.topic)
            return False


def refresh_all(snapshots: Sequence[Snapshot[object]]) -> None:
    """Bring all snapshots up to date with one query for their revisions. Blocking: call it in a thread.

    Whatever was loaded is looked at again at once: a change that came in the middle, of which a part may have been read
    and a part not, is loaded once more, and never missed.
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
    """Poll for ever. A database that is away is logged and asked again."""
    while True:
        await asyncio.sleep(POLL_SECONDS)
        try:
            await asyncio.to_thread(refresh_all, snapshots)
            database_outage.ended()
        except OperationalError as error:
            database_outage.began(error)
        except Exception:
            logger.exception("Looking for changes failed; asking again")
