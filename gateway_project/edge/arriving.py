"""The body of a request to a service, while it arrives."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

from apps.common.errors import BodyStalled
from apps.dataplane.answers import ClientLeft
from gateway_project.edge.body_budget import SHORT
from gateway_project.edge.compression import too_large
from gateway_project.edge.messages import Scope, announced_length
from gateway_project.edge.protocol import ON_LEAVE, ON_STALL

MOST_DISCARDED = 4 * 2**20  # bytes of a body that nobody wants
LINGERS = 1.0  # seconds in which they are taken


class ArrivingBody:
    """Iterate over it once. It raises BodyTooLarge, BodyStalled or ClientLeft.

    While 64 KiB wait to be taken, the server reads no more. A client that asks whether to send its body (Expect) is
    told to once the first piece is awaited. Called like `receive`, it waits until the client has left, and takes what
    still comes once nobody else wants it: a server that reads nothing does not notice.
    """

    def __init__(self, scope: Scope, receive: Any) -> None:
        is_chunked = any(name == b"transfer-encoding" for name, _ in scope["headers"])
        self.length: int | None = None if is_chunked else announced_length(scope)
        self.limit = 0
        self._receive = receive
        self._reader: asyncio.Task[Any] | None = None
        self._is_stalled = False
        self._is_whole = self.length == 0
        self._is_over = asyncio.Event()  # it is whole, nobody reads it any more, or its client has left
        if self._is_whole:
            self._is_over.set()
        else:
            scope.get("state", {}).update({ON_STALL: self._stall, ON_LEAVE: self._is_over.set})

    @property
    def is_unread(self) -> bool:
        return not self._is_whole

    @property
    def is_long(self) -> bool:
        """True for a body of more than 64 KiB or of unknown length."""
        return self.length is None or self.length > SHORT

    @property
    def may_cost_the_answer(self) -> bool:
        """Whether the client may be sending still when its connection is closed."""
        return self.is_unread and (self.is_long or self._is_stalled)

    def refuse_long(self) -> None:
        """Raise BodyTooLarge if the body is announced to exceed the limit."""
        if (self.length or 0) > self.limit:
            raise too_large(self.limit)

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        self.refuse_long()
        received = 0
        try:
            while self.is_unread:
                piece = await self._next()
                received += len(piece)
                if received > self.limit:
                    raise too_large(self.limit)
                if piece:
                    yield piece
        finally:
            self._is_over.set()

    async def __call__(self) -> Any:
        await self._is_over.wait()
        while (message := await self._receive())["type"] != "http.disconnect":
            self._piece_of(message)
        return message

    async def discard(self) -> None:
        """Take what still comes, within bounds: a client that sends while its connection closes loses the answer."""
        taken = 0
        with suppress(TimeoutError, ClientLeft):
            async with asyncio.timeout(LINGERS):
                while self.is_unread and taken < MOST_DISCARDED:
                    taken += len(self._piece_of(await self._receive()))

    async def _next(self) -> bytes:
        if self._is_stalled:
            raise BodyStalled
        self._reader = asyncio.current_task()
        try:
            message = await self._receive()
        except asyncio.CancelledError:
            self._unless_stalled()
            raise BodyStalled from None
        finally:
            self._reader = None
        return self._piece_of(message)

    def _piece_of(self, message: Any) -> bytes:
        if message["type"] == "http.disconnect":
            raise ClientLeft
        if not message.get("more_body", False):
            self._is_whole = True
            self._is_over.set()
        piece: bytes = message.get("body", b"")
        return piece

    def _stall(self) -> None:
        """Called by the server: hardly anything has come for a while."""
        self._is_stalled = True
        if self._reader is not None:
            self._reader.cancel()

    def _unless_stalled(self) -> None:
        """Raise CancelledError if it is not for the stall, or not for it alone, that the reader was cancelled."""
        reader = self._reader
        if not self._is_stalled or reader is None or reader.uncancel():
            raise asyncio.CancelledError
