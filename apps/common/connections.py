"""One connection to a server, and the response that arrives over it.

httptools parses the response. Pieces of its body are kept until they are read. Whoever asks limits the time.

RelayError
├── ConnectFailed     nothing was sent: trying elsewhere is safe
│   └── NonFree       too many connections of ours are open; the server did nothing wrong
└── ConnectionBroken  the connection failed after the request had been sent
    └── NothingCame   the same, before the first byte of a response
"""

import asyncio
import socket
from collections.abc import Callable, Mapping
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

MAX_HEADERS = 512
MAX_HEADER_BYTES = 256 * 1024  # trailers and interim responses included
MAX_UNREAD = 64 * 1024  # bytes that wait for a slow reader before reading from the connection pauses


class RelayError(Exception):
    """A request that got no response. The message is for staff and logs, never for students."""


class ConnectFailed(RelayError):
    pass


class NonFree(ConnectFailed):
    pass


class ConnectionBroken(RelayError):
    pass


class NothingCame(ConnectionBroken):
    pass


class _UnreadableAnswer(Exception):
    """Raised inside the parser, to stop it."""


class RelayResponse:
    """A response whose headers have arrived. Header names are in lower case.

    Always `close` it. A body that has arrived completely frees the connection, whether it has been read or not.
    """

    def __init__(self, connection: "Connection", *, is_head: bool) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.connection: Connection | None = connection  # until the exchange is over
        self.pieces: list[bytes] = []
        self.on_body = self.pieces.append  # the parser calls it without a Python frame
        self.unread = self.beside_body = 0
        self.has_begun = self.is_whole = self.ends_with_connection = False
        self.keeps_alive = True
        self.failure = ""
        self._is_head = is_head
        self._pairs: list[tuple[bytes, bytes]] = []
        self._header_count = self._header_bytes = 0
        self._news: asyncio.Future[None] | None = None
        self.parser: Any = HttpResponseParser(self)  # last: it looks up the callbacks when it is created

    async def read(self) -> bytes:
        """What has arrived of the body, waiting for it if need be; empty at its end. Raises ConnectionBroken."""
        while not (self.pieces or self.is_over):
            await self.wait()
        if self.failure and not self.pieces:
            raise ConnectionBroken(self.failure)
        block = b"".join(self.pieces)
        self.pieces.clear()
        self.unread = 0
        if self.connection is not None:
            self.connection.resume()
        return block

    def close(self) -> None:
        """Close the connection, unless the whole body has arrived. Unread data is lost."""
        self.pieces.clear()
        self.end("The response was closed.")

    # For the connection

    @property
    def is_over(self) -> bool:
        return self.is_whole or bool(self.failure)

    async def wait(self) -> None:
        self._news = asyncio.get_running_loop().create_future()
        try:
            await self._news
        finally:
            self._news = None

    def wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def end(self, failure: str = "") -> None:
        """Free the connection, which is reused only if nothing failed."""
        if self.connection is None:
            return
        if failure:
            self.keeps_alive = False
            self.failure = "" if self.is_whole else failure
        connection, self.connection, self.parser = self.connection, None, None  # no reference cycles
        connection.free(is_reusable=self.keeps_alive)
        self.wake()

    # For the parser

    def on_message_begin(self) -> None:
        if self.is_whole:
            raise _UnreadableAnswer("More came than was asked for.")
        self.has_begun = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Also called for trailers, which are counted but not kept."""
        self._header_count += 1
        self._header_bytes += len(name) + len(value)
        if self._header_count > MAX_HEADERS or self._header_bytes > MAX_HEADER_BYTES:
            raise _UnreadableAnswer("The headers are too large.")
        if not self.status:
            self._pairs.append((name, value))

    def on_headers_complete(self) -> None:
        status = self.parser.get_status_code()
        if status < 200:
            self._skip(status)
            return
        self.status = status
        self.keeps_alive = self.parser.should_keep_alive()
        pairs = reversed(self._pairs)  # the first one counts if a header is repeated
        self.headers = {n.decode("latin-1").lower(): v.decode("latin-1").rstrip(" \t") for n, v in pairs}
        # A body with a transfer coding other than chunked is never complete: if it were cut off, that would look like
        # its end.
        self.ends_with_connection = self.headers.keys().isdisjoint(("content-length", "transfer-encoding"))
        if self._is_head:
            self.is_whole = True
            raise _UnreadableAnswer("The parser would wait for a body.")

    def _skip(self, status: int) -> None:
        """Skip an interim response."""
        self._header_count += 1
        if status < 100 or status == 101 or self._header_count > MAX_HEADERS:
            raise _UnreadableAnswer(f"Answered {status}, which was not asked for.")
        self._pairs.clear()

    def on_message_complete(self) -> None:
        self.is_whole = self.status > 0


class Connection(asyncio.Protocol):
    """Serves one exchange at a time. After each it calls `on_free` with whether it can serve another."""

    def __init__(self, opened: socket.socket, on_free: "Callable[[Connection, bool], None]") -> None:
        self.idle_since = 0.0  # set by the pool
        self._socket, self._on_free = opened, on_free
        self._transport: Any = None
        self._layers: list[Any] = []  # transports: TCP, and then TLS
        self._response: RelayResponse | None = None
        self._is_paused = False

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
            raise (ConnectionBroken if response.has_begun else NothingCame)(response.failure)
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

    # For the loop

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
            self._response.end(repr(error))
