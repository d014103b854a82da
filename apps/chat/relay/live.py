"""The live answers of this process: watched while they run, ended when the process stops."""

import asyncio
import logging
import time
from typing import Protocol

from django.conf import settings

from apps.accounts.principals import Principal
from apps.common.commit import StoreAway, Writer
from apps.dataplane.live import Ending, LiveRequests
from apps.quotas.ledger import leases
from apps.quotas.ledger.leases import Checkpoint

logger = logging.getLogger(__name__)

WATCH_SECONDS = 1.0


class LiveAnswer(Protocol):
    """What is watched of a pump."""

    task: asyncio.Task[None]
    admitted: object

    @property
    def principal(self) -> Principal: ...

    def stop(self, reason: Ending) -> None: ...

    def check_stall(self, now: float, *, limit: float) -> None: ...

    def keep_alive(self, now: float) -> None: ...

    def checkpoint(self) -> Checkpoint | None: ...


class LiveAnswers(LiveRequests[LiveAnswer]):
    """Those of chat. An answer that is stopped sends an error event, settles and is recorded."""

    async def watch_for_ever(self, writer: Writer) -> None:
        """Every second, write a checkpoint of each answer, end those that stall, and keep quiet ones alive."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                await self.watch(writer)
            except StoreAway:
                pass  # the writer has logged it
            except Exception:
                logger.exception("Watching over open answers failed; trying again")

    async def watch(self, writer: Writer) -> None:
        now = time.monotonic()
        points = [point for answer in self if (point := answer.checkpoint()) is not None]
        for answer in self:
            answer.check_stall(now, limit=settings.CLIENT_STALL_TIMEOUT)
            answer.keep_alive(now)
        if points:
            await writer.submit(leases.write, points)
