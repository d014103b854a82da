"""A request body on its way to a server, in pieces and no faster than the server reads."""

import asyncio
from collections.abc import AsyncIterable
from typing import Protocol


class BodyBroken(Exception):
    """The body of a request is shorter or longer than was announced. The server did nothing wrong."""


class Sink(Protocol):
    """Where a body goes: a connection."""

    def write(self, *pieces: bytes) -> None: ...

    async def has_room(self) -> None: ...

    def fail(self, error: Exception) -> None: ...


class Sending:
    """`length` is that of the whole body; None sends it in chunks. Nothing beyond the length ever goes out."""

    def __init__(self, body: AsyncIterable[bytes], length: int | None) -> None:
        self.is_over = False  # the server has all of it
        self._body, self._left = body, length
        self._task: asyncio.Task[None] | None = None

    def begin(self, sink: Sink) -> None:
        self._task = asyncio.create_task(self._send(sink))

    def stop(self) -> None:
        """Take no more of the body. It is closed a moment later."""
        if self._task is not None:
            self._task.cancel()

    async def stopped(self) -> None:
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _send(self, sink: Sink) -> None:
        pieces = aiter(self._body)
        try:
            async for piece in pieces:
                if piece:
                    sink.write(*self._framed(piece))
                    await sink.has_room()
            if self._left is None:
                sink.write(b"0\r\n\r\n")
            elif self._left:
                raise BodyBroken(f"The body of the request ended {self._left} bytes too early.")
            self.is_over = True
        except Exception as error:
            sink.fail(error)
        finally:
            close = getattr(pieces, "aclose", None)
            if close is not None:
                await close()

    def _framed(self, piece: bytes) -> tuple[bytes, ...]:
        if self._left is None:
            return b"%x\r\n" % len(piece), piece, b"\r\n"
        self._left -= len(piece)
        if self._left < 0:
            raise BodyBroken("The body of the request is longer than was announced.")
        self.is_over = self._left == 0
        return (piece,)
