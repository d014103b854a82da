"""uvicorn's fast HTTP protocol with bounds on what a client may send, and how slowly.

Its parser takes headers of any size and number, and waits for them for ever: a few hundred trickling connections hold a
few hundred places for nothing. A request that is whole at once, as nearly all are, costs two comparisons here.
"""

import asyncio
from typing import Any

from django.conf import settings
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEADER_BYTES = 32_768
MAX_HEADERS = 100
MAX_URL_BYTES = 8_192
LEAST_BYTES_A_SECOND = 1_024

_TOO_LONG = b"HTTP/1.1 414 URI Too Long\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class BoundedProtocol(HttpToolsProtocol):
    """Headers must be whole within RECEIPT_TIMEOUT; a body must keep coming at a kilobyte a second after that."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._is_refused = False
        self._is_receiving = True  # a connection that sends nothing is as slow as one that sends a little
        self._is_in_headers = True
        self._header_bytes = self._header_count = 0
        self._received = self._expected = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._watch()

    @property
    def is_answering(self) -> bool:
        """A request has come and its response has not gone out whole."""
        return self.cycle is not None and not self.cycle.response_complete

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        self._received += len(data)
        super().data_received(data)
        if not self._is_receiving:
            self._unwatch()
        elif self._is_in_headers and self._received > MAX_HEADER_BYTES:
            self._refuse(_TOO_LARGE)
        elif self._deadline is None:
            self._watch()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_receiving = self._is_in_headers = True
        self._header_bytes = self._header_count = self._received = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_count += 1
        self._header_bytes += len(name) + len(value)
        if self._header_count <= MAX_HEADERS:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._is_in_headers = False
        if len(self.url) > MAX_URL_BYTES:
            self._refuse(_TOO_LONG)
        elif self._header_count > MAX_HEADERS or self._header_bytes > MAX_HEADER_BYTES:
            self._refuse(_TOO_LARGE)
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if not self._is_refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._is_receiving = False
        if not self._is_refused:
            super().on_message_complete()

    def _refuse(self, response: bytes) -> None:
        """Answer and close; an answer that is still going out on this connection is not written into."""
        self._is_refused = True
        if self.is_answering:
            self.transport.abort()
            return
        self.transport.write(response)
        self.transport.close()

    def _watch(self) -> None:
        self._expected = self._received + int(settings.RECEIPT_TIMEOUT * LEAST_BYTES_A_SECOND)
        self._deadline = self.loop.call_later(settings.RECEIPT_TIMEOUT, self._look)

    def _unwatch(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _look(self) -> None:
        """The time is up: headers had to be whole by now, and of a body enough must have come since last time."""
        self._deadline = None
        if self._is_in_headers or self._received < self._expected:
            self._is_refused = True
            self.transport.abort()
        else:
            self._watch()
