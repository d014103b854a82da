"""The outlet: where a pump leaves its answer and the response takes it.

It outlives the client: once nobody reads any more, whatever is put in is dropped, and the pump is never kept waiting.
An outlet that keeps its blocks lets another client take the answer over, from its first block on.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from apps.chat.opening import Opened
from apps.chat.repeats import ANSWER_BYTES
from apps.chat.reserving import Reservation
from apps.common.errors import Conflict, GatewayError
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


class Reader:
    """One client at an answer: what had passed before it came, and a bounded queue behind that."""

    def __init__(self, earlier: Iterable[bytes] = ()) -> None:
        self._earlier = tuple(earlier)
        self.queue: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUE_BLOCKS)

    async def blocks(self) -> AsyncIterator[bytes]:
        """The events of a stream, whole ones only; at the end of it everything has been settled."""
        for earlier in self._earlier:
            yield earlier
        while (block := await self.queue.get()) is not None:
            yield block

    def drain(self) -> None:
        while not self.queue.empty():
            self.queue.get_nowait()

    def dismiss(self, last: bytes) -> None:
        """Have it read one block more and no other."""
        self.drain()
        self.queue.put_nowait(last)
        self.queue.put_nowait(None)


class Outlet:
    """A head, and for streams a reader of the blocks behind it. `keeps`: the answer may be asked for again."""

    def __init__(self, *, request_id: str, keeps: bool = False) -> None:
        self._request_id = request_id
        self._head: asyncio.Future[Head] = asyncio.get_running_loop().create_future()
        self._is_abandoned = False
        self._kept: list[bytes] | None = [] if keeps else None
        self._kept_bytes = 0
        self.reader = Reader()
        self.is_sending = False

    # The response's side

    async def head(self) -> Head:
        """Wait until the answer begins. Raises the GatewayError that came instead."""
        return await asyncio.shield(self._head)

    def abandon(self) -> None:
        """Nobody reads any more."""
        self._is_abandoned = True
        self.reader.drain()

    @property
    def kept(self) -> list[bytes] | None:
        """All blocks so far, or None if they are not kept or have become too many."""
        return self._kept

    def take_over(self) -> Reader:
        """Give the answer to another reader, from its first block on. Only for an outlet whose blocks are kept."""
        if not self._is_abandoned:
            superseded = Conflict("superseded", "A repeat of this request has taken its answer over. Read that one.")
            self.reader.dismiss(self._event(superseded))
        self._is_abandoned = False
        self.reader = Reader(self._kept or ())
        return self.reader

    # The pump's side

    def begin(self, head: Head) -> None:
        if not self._head.done():
            self._head.set_result(head)

    async def put(self, block: bytes) -> None:
        """Hand over a block; waits while the client is slower than the provider."""
        if block:
            self._keep(block)
        if self._is_abandoned or not block:
            return
        self.is_sending = True
        await self.reader.queue.put(block)
        self.is_sending = False

    async def put_last(self, block: bytes) -> None:
        """Hand over a block at the end, when nobody watches any more over a client that takes nothing."""
        try:
            async with asyncio.timeout(LAST_WORD_SECONDS):
                await self.put(block)
        except TimeoutError:
            self.abandon()

    def _keep(self, block: bytes) -> None:
        if self._kept is not None:
            self._kept.append(block)
            self._kept_bytes += len(block)
            if self._kept_bytes > ANSWER_BYTES:
                self._kept = None

    async def finish(self, failure: GatewayError | None) -> None:
        """Tell the client how it ended: the last thing it hears, after everything has been committed."""
        if not self._head.done():
            if failure is not None:
                self._head.set_exception(failure)
                self._head.exception()  # a client that has left does not ask for it
            return
        if self._is_abandoned or self._head.result().body is not None:
            return
        last = DONE if failure is None else self._event(failure)
        try:
            async with asyncio.timeout(LAST_WORD_SECONDS):
                await self.reader.queue.put(last)
                await self.reader.queue.put(None)
        except TimeoutError:
            self.abandon()
            await self.reader.queue.put(None)

    def _event(self, failure: GatewayError) -> bytes:
        return b"data: " + failure.json(request_id=self._request_id) + b"\n\n"
