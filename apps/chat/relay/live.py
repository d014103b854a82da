"""The live answers of this process: watched while they run, ended when the process stops."""

import asyncio
import logging
import time
from collections.abc import Iterator
from typing import Literal, Protocol

from django.conf import settings

from apps.common.commit import StoreAway, Writer
from apps.quotas.ledger import leases
from apps.quotas.ledger.leases import Checkpoint

logger = logging.getLogger(__name__)

WATCH_SECONDS = 1.0
END_SECONDS = 10.0  # for a stopped answer to send its error event, settle and record


class LiveAnswer(Protocol):
    """What is watched of a pump."""

    task: asyncio.Task[None]

    def stop(self, reason: Literal["shutting_down"]) -> None: ...

    def check_stall(self, now: float, *, limit: float) -> None: ...

    def keep_alive(self, now: float) -> None: ...

    def checkpoint(self) -> Checkpoint | None: ...


class LiveAnswers:
    """A set of answers, each from its start to the end of its task."""

    def __init__(self) -> None:
        self._answers: set[LiveAnswer] = set()

    def __len__(self) -> int:
        return len(self._answers)

    def __iter__(self) -> Iterator[LiveAnswer]:
        return iter(list(self._answers))

    def add(self, answer: LiveAnswer) -> None:
        self._answers.add(answer)

    def discard(self, answer: LiveAnswer) -> None:
        self._answers.discard(answer)

    async def drain(self, seconds: float) -> None:
        """Let live answers end for `seconds`, then end the rest with an error event. All are settled afterwards."""
        await self._wait(seconds)
        for answer in self:
            answer.stop("shutting_down")
        await self._wait(END_SECONDS)

    async def _wait(self, seconds: float) -> None:
        """Also waits for answers that begin meanwhile, of calls that were admitted before."""
        until = time.monotonic() + seconds
        while self._answers and (left := until - time.monotonic()) > 0:
            await asyncio.wait({answer.task for answer in self}, timeout=left)

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
