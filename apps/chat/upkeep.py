"""Background loops: resolve what dead processes left behind, and delete what has expired."""

import asyncio
import logging
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from apps.chat.accounting import journal, metrics, outbox
from apps.chat.idempotency import claims
from apps.chat.idempotency.recent import RecentAnswers
from apps.common.commit import StoreAway, Writer
from apps.common.owners import LifeSigns
from apps.conversations.spool import files
from apps.conversations.spool.draining import drain_all
from apps.quotas.ledger import leases
from apps.quotas.ledger.leases import Left

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 1.0
FORGET_SECONDS = 5.0
FORGET_KEPT_SECONDS = 60.0
UNDRAINED_SECONDS = 30.0


async def sweep_for_ever(writer: Writer, *, owner: str, spool: Path) -> None:
    """Settle the backlog, then resolve the holds of dead owners: at once, and then every second."""
    signs = LifeSigns(settings.OWNER_DIR, mine=owner)
    while True:
        try:
            await _flush(writer, spool)
            while swept := await sweep(writer, signs, now=datetime.now(UTC)):
                logger.warning("Resolved %d holds that nobody answered for", swept)
        except StoreAway:
            pass  # the writer has logged it, and the next round retries
        except Exception:
            logger.exception("Sweeping failed; trying again")
        await asyncio.sleep(SWEEP_SECONDS)


async def _flush(writer: Writer, spool: Path) -> None:
    """Must precede the sweep, which would charge the holds of dead owners by their last checkpoint."""
    settled = await outbox.flush(writer, spools=settings.SPOOL_DIR, owners=settings.OWNER_DIR, mine=spool)
    if settled:
        logger.warning("The database is back: %d calls are settled now", settled)


async def sweep(writer: Writer, signs: LifeSigns, *, now: datetime) -> int:
    """One round. Returns how many holds it resolved. Safe if several processes do it at once."""
    owners = await writer.submit(leases.owners, None)
    dead = await writer.submit(signs.dead, owners) if owners else ()
    left = await writer.submit(leases.left_behind, Left(dead, now))
    done = await asyncio.gather(*(writer.submit(journal.expire, (hold, now)) for hold in left))
    metrics.interrupted(sum(done))
    return sum(done)


async def forget_answers_for_ever(writer: Writer, recent: RecentAnswers[Any]) -> None:
    """Delete expired answers: every few seconds those in memory, less often those in the database."""
    due = 0.0
    while True:
        await asyncio.sleep(FORGET_SECONDS)
        try:
            recent.forget_old(now=(now := time.monotonic()))
            if now >= due:
                due = now + FORGET_KEPT_SECONDS
                while await writer.submit(claims.forget, datetime.now(UTC)) == claims.FORGET_AT_ONCE:
                    pass
        except StoreAway:
            pass
        except Exception:
            logger.exception("Forgetting answers failed; trying again")


async def drain_if_nobody_does(path: Path) -> None:
    """Drain the spools in a thread of this process if the worker has not done so for half a minute."""
    while True:
        await asyncio.sleep(UNDRAINED_SECONDS / 3)
        try:
            if await asyncio.to_thread(_is_neglected, path):
                drained = await asyncio.to_thread(_drain)
                if drained:  # otherwise it all belongs to calls that are not settled yet
                    logger.warning("No worker drains the spools; this process drained %d records", drained)
        except Exception:
            logger.exception("Draining the spools failed; trying again")


def _is_neglected(path: Path) -> bool:
    oldest = files.oldest(path)
    return oldest is not None and time.time() - oldest > UNDRAINED_SECONDS


def _drain() -> int:
    try:
        return drain_all(spools=settings.SPOOL_DIR, owners=settings.OWNER_DIR)
    finally:
        connection.close()
