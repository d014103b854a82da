"""Delivers a pump's answer to the response that sends it.

A delivery outlives its client: once nobody reads any more, it drops every block and never makes the pump wait. One that
keeps its blocks lets another client take the answer over, from its first block on.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator

from apps.chat.dialects.protocol import Dialect, LastLine
from apps.chat.idempotency.keys import ANSWER_BYTES
from apps.chat.idempotency.recent import ReplayBudget
from apps.chat.relay.head import AnswerHead
from apps.common.errors import Conflict, GatewayError, InvalidRequest

QUEUE_BYTES = 64 * 1024
LAST_WORD_SECONDS = 2.0
KEEP_ALIVE = b": keep-alive\n\n"  # a comment, which clients of every dialect of server-sent events skip


class ClientStream:
    """One client of an answer: the blocks from before it came, and a bounded queue of later ones.

    One pump puts and one response takes, so a future for each is enough to wait for the other.
    """

    def __init__(self, earlier: bytes = b"") -> None:
        self._earlier = earlier
        self._blocks: deque[bytes | None] = deque()
        self._queued = 0
        self._taker: asyncio.Future[None] | None = None
        self._putter: asyncio.Future[None] | None = None

    async def blocks(self) -> AsyncIterator[bytes]:
        """The events of a stream, only whole ones. When it ends, everything has been settled."""
        if self._earlier:
            yield self._earlier
        while True:
            while not self._blocks:
                self._taker = asyncio.get_running_loop().create_future()
                await self._taker
            if (block := self._blocks.popleft()) is None:
                return
            self._queued -= len(block)
            if self._putter is not None and self._queued < QUEUE_BYTES:
                _wake(self._putter)
                self._putter = None
            yield block

    async def put(self, block: bytes) -> None:
        """Add a block once the queue is below its bound, which it exceeds by one block at most."""
        while self._queued >= QUEUE_BYTES:
            await self._room()
        self._add(block)

    async def put_last(self, block: bytes) -> bool:
        """Like `put`, but return False and drop the block if the client takes nothing for LAST_WORD_SECONDS."""
        while (waiting := self._queued) >= QUEUE_BYTES:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST_WORD_SECONDS):
                    await self._room()
            if self._queued == waiting:
                return False
        self._add(block)
        return True

    async def _room(self) -> None:
        self._putter = asyncio.get_running_loop().create_future()
        await self._putter

    def _add(self, block: bytes | None) -> None:
        self._blocks.append(block)
        self._queued += len(block or b"")
        if self._taker is not None:
            _wake(self._taker)
            self._taker = None

    def keep_alive(self) -> None:
        """Add a comment, unless there is something to read."""
        if not self._blocks:
            self._add(KEEP_ALIVE)

    def end(self) -> None:
        """No block follows."""
        self._add(None)

    def drain(self) -> None:
        """Drop all waiting blocks, which makes room."""
        self._blocks.clear()
        self._queued = 0
        if self._putter is not None:
            _wake(self._putter)
            self._putter = None

    def dismiss(self, last: bytes) -> None:
        """Drop all waiting blocks, send one more, and end."""
        self.drain()
        self._add(last)
        self.end()


def _wake(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():  # it may have been cancelled
        waiter.set_result(None)


class ClientStalled(InvalidRequest):
    def __init__(self, *, charged: int) -> None:
        super().__init__(
            "client_stalled", "You stopped reading, so the rest of the answer was dropped. Ask again.", charged=charged
        )


class Delivery:
    """The head of an answer, and for streams a reader of its blocks. With `room`, the answer may be asked for again.

    What it keeps is bounded on its own and by that room, and is given back at its end. A `line` goes below the text.
    """

    def __init__(
        self, *, request_id: str, dialect: Dialect, room: ReplayBudget | None = None, line: LastLine | None = None
    ) -> None:
        self._request_id, self._dialect, self._line = request_id, dialect, line
        self._head: AnswerHead | None = None
        self._failure: GatewayError | None = None
        self._waiters: list[asyncio.Future[None]] = []  # for the head or the failure
        self._is_abandoned = self._is_stalled = False
        self._room = room
        self._kept = bytearray() if room is not None else None  # one buffer: many small ones would be half overhead
        self.reader = ClientStream()
        self.is_sending = False

    # Used by the response

    async def head(self) -> AnswerHead:
        """Wait until the response may begin. Raises the GatewayError that came instead."""
        while self._head is None:
            if self._failure is not None:
                raise self._failure
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter
        return self._head

    def abandon(self) -> None:
        """The client has left: drop all blocks from here on."""
        self._is_abandoned = True
        self.reader.drain()

    @property
    def is_abandoned(self) -> bool:
        return self._is_abandoned

    @property
    def has_begun(self) -> bool:
        return self._head is not None

    @property
    def is_kept(self) -> bool:
        return self._kept is not None

    @property
    def kept(self) -> bytes | None:
        """All blocks so far, or None if they are not kept or were too many."""
        return bytes(self._kept) if self._kept is not None else None

    def take_over(self) -> ClientStream:
        """Give the answer to another reader, from its first block on. Only if `is_kept`."""
        if not self._is_abandoned:
            superseded = Conflict("superseded", "A retry of this request gets the answer instead. Read it there.")
            self.reader.dismiss(self._event(superseded))
        self._is_abandoned = self._is_stalled = False
        self.reader = ClientStream(self.kept or b"")
        return self.reader

    # Used by the pump

    def begin(self, head: AnswerHead) -> None:
        if self._head is None:
            self._head = head
            self._wake_all()

    def keep_alive(self) -> None:
        """Show the client that the answer goes on. Whoever takes the answer over gets no such comments."""
        if not self._is_abandoned:
            self.reader.keep_alive()

    async def put(self, block: bytes) -> None:
        """Deliver a block. Waits while the client is slower than the provider."""
        block = self._told(block)
        if block:
            self._keep(block)
        if self._is_abandoned or not block:
            return
        self.is_sending = True
        await self.reader.put(block)
        self.is_sending = False

    async def put_last(self, block: bytes) -> None:
        """Deliver a block at the end, when nobody watches for stalled clients any more."""
        block = self._told(block)
        if block:
            self._keep(block)
        if block and not self._is_abandoned:
            self._is_stalled = not await self.reader.put_last(block)  # `finish` reports it

    def _told(self, block: bytes) -> bytes:
        return self._line.into(block) if block and self._line is not None else block

    def _keep(self, block: bytes) -> None:
        if self._kept is None or self._room is None:
            return
        if len(self._kept) + len(block) > ANSWER_BYTES or len(block) > self._room.left:
            self._give_up()
        else:
            self._kept += block
            self._room.left -= len(block)

    def _give_up(self) -> None:
        """Keep no blocks any more."""
        if self._kept is not None and self._room is not None:
            self._room.left += len(self._kept)
            self._kept = None

    async def finish(self, failure: GatewayError | None, *, charged: int = 0) -> None:
        """Tell the client how the answer ended, after everything has been committed.

        A client that stopped reading gets an error instead. Blocks for it were dropped, so it must not see a clean end.
        """
        self._give_up()
        if self._head is None:
            self._failure = failure
            self._wake_all()
            return
        if self._is_abandoned or self._head.body is not None:
            return
        last = self._dialect.end_mark if failure is None else self._event(failure)
        if not self._is_stalled and await self.reader.put_last(last):
            self.reader.end()
            return
        self._is_abandoned = True
        self.reader.dismiss(self._event(ClientStalled(charged=charged)))

    def _wake_all(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            _wake(waiter)

    def _event(self, failure: GatewayError) -> bytes:
        return self._dialect.error_event(failure, request_id=self._request_id)
