"""The loop in which a process shares what it remembers with the others."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from django.db import OperationalError, connection

from apps.common.outages import database_outage
from apps.common.revisions import Snapshot

logger = logging.getLogger(__name__)

SHARE_SECONDS = 1.0
K = TypeVar("K")
N = TypeVar("N")
R = TypeVar("R")
R_contra = TypeVar("R_contra", contravariant=True)


class Shared(Protocol[K, N, R_contra]):
    """What one process remembers: `N` is its news, `R_contra` the rows of all, and `K` the key of one."""

    def news(self, now: datetime) -> N:
        """What is to be written. Whoever takes it says afterwards whether it was `written`, or `kept_back`."""
        ...

    def written(self, versions: Mapping[K, int]) -> None: ...

    def kept_back(self, news: N) -> None: ...

    def read(self, rows: R_contra) -> None:
        """Take over what other processes have found, and operators decided."""
        ...


Write = Callable[[N, datetime], Mapping[K, int]]


async def share_for_ever(health: Shared[K, N, R], stored: Snapshot[R], write: Write[N, K]) -> None:
    """Read what other processes found out and, at most every second, write what this one did."""
    read: R | None = None
    due = 0.0
    while True:
        if read is not stored.current:
            read = stored.current
            health.read(read)
        if (now := time.monotonic()) >= due:
            due = now + SHARE_SECONDS
            try:
                await share(health, write, now=datetime.now(UTC))
            except Exception:
                logger.exception("Sharing the health of others failed; trying again")
        await asyncio.sleep(SHARE_SECONDS / 4)


async def share(health: Shared[K, N, R], write: Write[N, K], *, now: datetime) -> None:
    if not (news := health.news(now)):
        return
    try:
        health.written(await asyncio.to_thread(_write, write, news, now))
    except OperationalError as error:
        health.kept_back(news)
        database_outage.began(error)
    except BaseException:
        health.kept_back(news)
        raise


def _write(write: Write[N, K], news: N, now: datetime) -> Mapping[K, int]:
    try:
        return write(news, now)
    finally:
        connection.close_if_unusable_or_obsolete()
