"""One connection to a server, and the response that arrives over it.

httptools parses; the body is kept in the pieces that it gives until somebody reads. Nothing here waits for the clock.

RelayError
├── ConnectFailed     nothing was sent: trying elsewhere is safe
├── TooSlow           no response headers in time; the request had been sent
└── ConnectionBroken  the connection failed after the request had been sent
    └── NothingCame   and did so before the first byte of a response
"""

import asyncio
import socket
from collections.abc import Callable, Mapping
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

MAX_HEADERS = 128
MAX_HEADER_BYTES = 64 * 1024  # trailers and interim responses included
MAX_UNREAD = 64 * 1024  # bytes that wait for a slow reader before we stop reading


class RelayError(Exception):
    """A request that got no response. The message is for staff and logs, never for students."""


class ConnectFailed(RelayError):
    pass


class TooSlow(RelayError):
    pass


class ConnectionBroken(RelayError):
    pass


class NothingCame(ConnectionBroken):
    pass


class _Unreadable(Exception):
    """Raised inside the parser, to stop it."""


class RelayResponse:
    """A response whose headers have arrived, with their names in lower case.

    `close` it in any case; a body that arrives whole frees the connection by itself.
    """

    def __init__(self, connection: "Connection", *, is_head: bool) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.pieces: list[bytes] = []
        self.unread = self.beside_body = 0
        self.has_begun = self.is_whole = self.keeps_alive = self.ends_with_connection = False
        self.failure = ""
        self.connection: Connection | None = connection
        self._is_head = is_head
        self._pairs: list[tuple[bytes, bytes]] = []
        self._count = self._size = 0
        self._news: asyncio.Future[None] | None = None
        self.on_body = self.pieces.append  # no frame of Python for each piece
        self.parser: Any = HttpResponseParser(self)

    async def read(self) -> bytes:
        """What has arrived of the body, once there is any; nothing at its end. Raises ConnectionBroken."""
        while not (self.pieces or self.is_whole or self.failure):
            await self.wait()
        if self.pieces:
            block = b"".join(self.pieces)
            self.pieces.clear()
            self.unread = 0
            if self.connection is not None:
                self.connection.resume()
            return block
        if self.failure:
            raise ConnectionBroken(self.failure)
        return b""

    def close(self) -> None:
        """Hang up, unless the whole body has arrived. What has not been read is lost."""
        self.pieces.clear()
        if self.connection is not None:
            self.break_off("The response was closed.")
            self.connection.let_go()

    # For the connection

    async def wait(self) -> None:
        self._news = asyncio.get_running_loop().create_future()
        try:
            await self._news
        finally:
            self._news = None

    def wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def break_off(self, why: str) -> None:
        self.keeps_alive = False
        if not self.is_whole:
            self.failure = self.failure or why

    # For the parser

    def on_message_begin(self) -> None:
        if self.is_whole:
            raise _Unreadable("More came than was asked for.")
        self.has_begun = True

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count += 1
        self._size += len(name) + len(value)
        if self._count > MAX_HEADERS or self._size > MAX_HEADER_BYTES:
            raise _Unreadable("The headers are too large.")
        if not self.status:
            self._pairs.append((name, value))

    def on_headers_complete(self) -> None:
        status = self.parser.get_status_code()
        if status < 200:
            self._skip(status)
            return
        # Of a header that is repeated the first counts.
        self.headers = {
            name.decode("latin-1").lower(): value.decode("latin-1").rstrip(" \t")
            for name, value in reversed(self._pairs)
        }
        self.status = status
        self.keeps_alive = self.parser.should_keep_alive()
        # With a coding other than chunked the end could not be told from a failure.
        self.ends_with_connection = "content-length" not in self.headers and "transfer-encoding" not in self.headers
        if self._is_head:  # the parser cannot be told that no body will follow
            self.is_whole = True
            raise _Unreadable("No body follows.")

    def _skip(self, status: int) -> None:
        """Leave out an interim response."""
        self._count += 1
        if status < 100 or status == 101 or self._count > MAX_HEADERS:
            raise _Unreadable(f"Answered {status}, which was not asked for.")
        self._pairs.clear()

    def on_message_complete(self) -> None:
        self.is_whole = self.status > 0


class Connection(asyncio.Protocol):
    """Serves one exchange at a time. `on_free` is called after each, with whether the connection can serve another."""

    def __init__(self, opened: socket.socket, on_free: "Callable[[Connection, bool], None]") -> None:
        self.idle_since = 0.0  # by the pool
        self._socket, self._on_free = opened, on_free
        self._transport: Any = None
        self._response: RelayResponse | None = None
        self._is_paused = False

    async def ask(self, head: bytes, body: bytes, *, is_head: bool) -> RelayResponse:
        """Send a request and wait for the headers. Raises ConnectionBroken. Whatever ends this frees the connection."""
        response = self._response = RelayResponse(self, is_head=is_head)
        try:
            self._transport.writelines((head, body))
            while not (response.status or response.failure):
                await response.wait()
            if not response.status:
                raise (ConnectionBroken if response.has_begun else NothingCame)(response.failure)
        except BaseException:
            response.close()
            raise
        return response

    @property
    def is_closing(self) -> bool:
        return bool(self._transport.is_closing())

    def is_silent(self) -> bool:
        """Whether the other side has neither closed nor sent anything, by the kernel, which knows before the loop."""
        if self.is_closing:
            return False
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    def resume(self) -> None:
        if self._is_paused:
            self._is_paused = False
            self._transport.resume_reading()

    def let_go(self) -> None:
        """The exchange is over, well or not."""
        response, self._response = self._response, None
        if response is None:
            return
        response.connection = response.parser = None
        is_sent = not self._transport.get_write_buffer_size()  # else the server answered before it had read it all
        is_reusable = response.keeps_alive and response.is_whole and is_sent and not self.is_closing
        if is_reusable:
            self.resume()
        else:
            self._transport.abort()
        response.wake()
        self._on_free(self, is_reusable)

    def abort(self) -> None:
        """Close at once, whatever is on its way."""
        if self._response is not None:
            self._response.close()
        self._transport.abort()

    # For the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        response = self._response
        if response is None:  # nothing was asked
            self._transport.abort()
            return
        before = len(response.pieces)
        try:
            response.parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            response.break_off(str(error.__context__ or error))
        if len(response.pieces) > before:
            response.unread += len(data)
            response.beside_body = 0
        else:
            response.beside_body += len(data)
            if response.beside_body > 2 * MAX_HEADER_BYTES:  # a header, or an extension of a chunk, that does not end
                response.break_off("The headers are too large.")
        if response.is_whole or response.failure:
            self.let_go()
            return
        if response.unread > MAX_UNREAD and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()
        response.wake()

    def eof_received(self) -> None:
        response = self._response
        if response is not None:
            response.is_whole = response.ends_with_connection
            response.break_off("The connection was closed.")
            self.let_go()

    def connection_lost(self, error: Exception | None) -> None:
        if self._response is not None:
            self._response.break_off(repr(error) if error else "The connection was closed.")
            self.let_go()
