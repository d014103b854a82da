"""One connection to a server, over which a request goes out and a response arrives."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade

from apps.common.responses import MAX_HEADER_BYTES, ConnectionBroken, NothingCame, RelayResponse
from apps.common.sending import Sending

MAX_UNREAD = 64 * 1024  # bytes that wait for a slow reader before reading from the connection pauses


class Connection(asyncio.Protocol):
    """Serves one exchange at a time. After each it calls `on_free` with whether it can serve another."""

    def __init__(self, opened: socket.socket, on_free: "Callable[[Connection, bool], None]") -> None:
        self.idle_since = 0.0  # set by the pool
        self._socket, self._on_free = opened, on_free
        self._transport: Any = None
        self._layers: list[Any] = []  # transports: TCP, and then TLS
        self._response: RelayResponse | None = None
        self._is_paused = False
        self._sending: Sending | None = None
        self._room: asyncio.Future[None] | None = None  # while more is on its way than should be

    async def ask(self, head: bytes, body: bytes, *, is_head: bool) -> RelayResponse:
        """Send a request and wait for the headers. Raises ConnectionBroken."""
        response = self._response = RelayResponse(self, is_head=is_head)
        try:
            self._transport.writelines((head, body))
            while not (response.status or response.failure):
                await response.wait()
        except BaseException:
            response.close()
            raise
        if not response.status:
            raise response.error or (ConnectionBroken if response.has_begun else NothingCame)(response.failure)
        return response

    async def ask_in_pieces(self, head: bytes, sending: Sending, *, is_head: bool) -> RelayResponse:
        """The same for a streamed body. Raises what the body raises as well.

        It goes on while a good answer comes, for services that answer what they have read so far. It is stopped by the
        headers of a refusal and by the end of any answer, and the connection is not used again.
        """
        self._sending = sending
        sending.begin(self)
        try:
            response = await self.ask(head, b"", is_head=is_head)
        except BaseException:
            await sending.stopped()  # so that nobody takes from a body that the caller uses again
            raise
        if response.status >= 400:
            sending.stop()
        return response

    @property
    def is_closing(self) -> bool:
        return bool(self._transport.is_closing())

    @property
    def was_used(self) -> bool:
        return self.idle_since > 0

    def is_silent(self) -> bool:
        """True if the server has neither closed the connection nor sent anything."""
        if self.is_closing:
            return False
        try:
            # The kernel knows before the event loop does.
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    def pause(self) -> None:
        """Pauses TCP, not TLS: uvloop drops what waits in a paused TLS layer when the server closes."""
        if not self._is_paused:
            self._is_paused = True
            self._layers[0].pause_reading()

    def resume(self) -> None:
        if self._is_paused:
            self._is_paused = False
            self._layers[0].resume_reading()

    def free(self, *, is_reusable: bool) -> None:
        """Called by the response when it is over."""
        self._response = None
        if self._sending is not None:
            is_reusable = is_reusable and self._sending.is_over
            self._sending.stop()
            self._sending = None
        unsent = [layer for layer in self._layers if layer.get_write_buffer_size()]  # a server may answer early
        is_reusable = is_reusable and not unsent and not self.is_closing
        if is_reusable:
            self.resume()
        else:
            self._layers[0].abort()
        self._on_free(self, is_reusable)

    def abort(self) -> None:
        """Close at once, and drop everything in transit."""
        if self._response is not None:
            self._response.close()
        self._layers[0].abort()

    # For the body of a request

    def write(self, *pieces: bytes) -> None:
        self._transport.writelines(pieces)

    async def has_room(self) -> None:
        """The loop has a turn in any case: it notices that the connection was lost, and serves others."""
        await (self._room or asyncio.sleep(0))

    def fail(self, error: Exception) -> None:
        if self._response is not None:
            self._response.error = error
            self._response.end(repr(error))

    # For the loop

    def pause_writing(self) -> None:
        self._room = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._room = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._layers.append(transport)

    def data_received(self, data: bytes) -> None:
        response = self._response
        if response is None:  # no request is open
            self.abort()
            return
        before = len(response.pieces)
        try:
            response.parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            response.end(str(error.__context__ or error))
            return
        if len(response.pieces) > before:
            response.unread += len(data)
            response.beside_body = 0
        else:
            response.beside_body += len(data)
        if response.is_whole:
            response.end()
        elif response.beside_body > 2 * MAX_HEADER_BYTES:  # an endless header or chunk extension
            response.end("The headers are too large.")
        else:
            if response.unread > MAX_UNREAD:
                self.pause()
            response.wake()

    def eof_received(self) -> None:
        if self._response is not None:
            self._response.is_whole = self._response.ends_with_connection
            self._response.end("The connection was closed.")

    def connection_lost(self, error: Exception | None) -> None:
        """Without an error, it is the end: uvloop tells nothing else if a server closes TCP without closing TLS."""
        if error is None:
            self.eof_received()
        elif self._response is not None:
            if self._sending is not None and len(self._layers) == 1:
                self._read_rest()
            if self._response is not None:
                self._response.end(repr(error))

    def _read_rest(self) -> None:
        """A server that refuses a body and closes makes our next write fail, maybe before the loop has read why."""
        self._is_paused = True  # the transport is gone
        with contextlib.suppress(OSError):
            while self._response is not None and (data := self._socket.recv(MAX_UNREAD)):
                self.data_received(data)
