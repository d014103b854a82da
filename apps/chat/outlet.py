"""The outlet: where a pump leaves its answer and the response takes it.

It outlives the client: once nobody reads any more, whatever is put in is dropped, and the pump is never kept waiting.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from apps.chat.opening import Opened
from apps.chat.reserving import Reservation
from apps.common.errors import GatewayError
from apps.quotas.movements import Balance

QUEUE_BLOCKS = 8
LAST_WORD_SECONDS = 2.0
DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Head:
    """What is known when the answer begins: for a stream at the provider's acceptance, else at its end."""

    opened: Opened
    reservation: Reservation
    balances: tuple[Balance, ...]
    body: bytes | None


class Outlet:
    """A head, and for streams a bounded queue of blocks behind it."""

    def __init__(self, *, request_id: str) -> None:
        self._request_id = request_id
        self._head: asyncio.Future[Head] = asyncio.get_running_loop().create_future()
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUE_BLOCKS)
        self._is_abandoned = False
        self.is_sending = False

    # The response's side

    async def head(self) -> Head:
        """Wait until the answer begins. Raises the GatewayError that came instead."""
        return await asyncio.shield(self._head)

    async def blocks(self) -> AsyncIterator[bytes]:
        """The events of a stream, whole ones only; at the end of it everything has been settled."""
        while (block := await self._queue.get()) is not None:
            yield block

    def abandon(self) -> None:
        """Nobody reads any more."""
        self._is_abandoned = True
        while not self._queue.empty():
            self._queue.get_nowait()

    # The pump's side

    def begin(self, head: Head) -> None:
        if not self._head.done():
            self._head.set_result(head)

    async def put(self, block: bytes) -> None:
        """Hand over a block; waits while the client is slower than the provider."""
        if self._is_abandoned or not block:
            return
        self.is_sending = True
        await self._queue.put(block)
        self.is_sending = False

    async def put_last(self, block: bytes) -> None:
        """Hand over a block at the end, when nobody watches any more over a client that takes nothing."""
        try:
            async with asyncio.timeout(LAST_WORD_SECONDS):
                await self.put(block)
        except TimeoutError:
            self.abandon()

    async def finish(self, failure: GatewayError | None) -> None:
        """Tell the client how it ended: the last thing it hears, after everything has been committed."""
        if not self._head.done():
            if failure is not None:
                self._head.set_exception(failure)
                self._head.exception()  # a client that has left does not ask for it
            return
        if self._is_abandoned or self._head.result().body is not None:
            return
        last = DONE if failure is None else b"data: " + failure.json(request_id=self._request_id) + b"\n\n"
        try:
            async with asyncio.timeout(LAST_WORD_SECONDS):
                await self._queue.put(last)
                await self._queue.put(None)
        except TimeoutError:
            self.abandon()
            await self._queue.put(None)
