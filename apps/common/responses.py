"""A response while it arrives, and what may go wrong with a request.

httptools parses the response. Pieces of its body are kept until they are read. Whoever asks limits the time.

RelayError
├── ConnectFailed     nothing was sent: trying elsewhere is safe
│   └── NonFree       too many connections of ours are open; the server did nothing wrong
└── ConnectionBroken  the connection failed after the request had been sent
    └── NothingCame   the same, before the first byte of a response

What a streamed body raises comes out as it is: the server has no part in it.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

from httptools import HttpResponseParser

from apps.common.heads import Pairs

MAX_HEADERS = 512
MAX_HEADER_BYTES = 256 * 1024  # trailers and interim responses included


class Carrier(Protocol):
    """What a response needs of its connection."""

    def resume(self) -> None: ...

    def free(self, *, is_reusable: bool) -> None: ...


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

    def __init__(self, connection: Carrier, *, is_head: bool) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.connection: Carrier | None = connection  # until the exchange is over
        self.pieces: list[bytes] = []
        self.on_body = self.pieces.append  # the parser calls it without a Python frame
        self.unread = self.beside_body = 0
        self.has_begun = self.is_whole = self.ends_with_connection = False
        self.keeps_alive = True
        self.failure = ""
        self.error: Exception | None = None  # what the body of the request raised
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
            raise self.error or ConnectionBroken(self.failure)
        block = b"".join(self.pieces)
        self.pieces.clear()
        self.unread = 0
        if self.connection is not None:
            self.connection.resume()
        return block

    @property
    def pairs(self) -> Pairs:
        """All headers in their order, names in lower case."""
        return [(name.lower(), value.rstrip(b" \t")) for name, value in self._pairs]

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
        if status > 599:  # outside of HTTP, and nothing that our server could pass on
            raise _UnreadableAnswer(f"Answered {status}, which is no status.")
        pairs = reversed(self._pairs)  # the first one counts if a header is repeated
        self.headers = {n.decode("latin-1").lower(): v.decode("latin-1").rstrip(" \t") for n, v in pairs}
        coding = self.headers.get("transfer-encoding")
        if coding is not None and coding.lower() != "chunked":  # nobody downstream would know of it
            raise _UnreadableAnswer("Answered in a transfer coding that was not asked for.")
        self.status = status
        self.keeps_alive = self.parser.should_keep_alive()
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
