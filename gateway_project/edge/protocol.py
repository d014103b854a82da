"""uvicorn's fast HTTP protocol, with limits on the size and speed of requests and on the number of connections.

The parser accepts headers of any size and number and waits for them forever, so a few hundred slow clients would hold
as many connections for nothing. A request that arrives in one piece, as nearly all do, costs a few comparisons here.
"""

import asyncio
from typing import Any

import httptools
from django.conf import settings
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from gateway_project.edge.framing import Malformed, checked, without_offer
from gateway_project.edge.old_http import Unchunked

MAX_HEADER_BYTES = 32_768
MAX_HEADERS = 100
MAX_URL_BYTES = 8_192
LEAST_BYTES_A_SECOND = 1_024
MAX_PIPELINED = 32
PROBES = (0.1, 0.4, 1.6, 6.4)  # seconds between probes: few, since some clients take five interim responses and no more


def _refusal(status: str, message: str = "", *headers: str) -> bytes:
    lines = (
        f"HTTP/1.1 {status}",
        "content-type: text/plain; charset=utf-8",
        f"content-length: {len(message)}",
        "connection: close",
        *headers,
    )
    return "\r\n".join((*lines, "", message)).encode()


_INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"
_TOO_LONG = _refusal("414 URI Too Long")
_TOO_LARGE = _refusal("431 Request Header Fields Too Large")
_TOO_MANY = _refusal("503 Service Unavailable", "Too many connections. Try again in a moment.", "retry-after: 2")


class _InOnePiece:
    """A transport that sends the head and the body of a response of known length in one system call.

    The head waits for the body. The head of a stream goes out at once.
    """

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle, self._transport = cycle, cycle.transport
        self._head = b""

    def write(self, data: bytes) -> None:
        cycle = self._cycle
        if self._head:
            self._transport.writelines((self._head, data))
            cycle.transport = self._transport
        elif cycle.response_started and cycle.expected_content_length and cycle.scope["method"] != "HEAD":
            self._head = data
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Drop a head whose body never came: the client could not tell it from a whole response."""
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()


class BoundedProtocol(HttpToolsProtocol):
    """Headers must be complete within RECEIPT_TIMEOUT; after that, the body must arrive at a kilobyte a second or more.

    Beyond `ceiling` connections, a new one is answered with 503 and closed before anything is read from it.
    """

    def __init__(self, *arguments: Any, ceiling: int, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._ceiling = ceiling
        self._is_refused = False
        self._is_receiving = True  # a connection that sends nothing counts as slow
        self._is_in_headers = True
        self._is_offer = False  # the client offers to go on in another protocol, such as h2c
        self._header_bytes = self._header_count = 0
        self._received = self._expected = self._beside_body = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._in_progress: RequestResponseCycle | None = None

    def connection_made(self, transport: Any) -> None:
        if len(self.connections) >= self._ceiling:
            self.transport = transport
            self._refuse(_TOO_MANY)
            return
        super().connection_made(transport)
        self._watch()

    @property
    def is_answering(self) -> bool:
        """A request has arrived and its response is not complete."""
        return self.cycle is not None and not self.cycle.response_complete

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch()
        self._stop_answering()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]  # as asyncio has it
        """A client that has sent its request may close its side and wait for the answer (RFC 9112 9.6).

        One that has left looks the same until something is sent to it, which its kernel refuses: so it gets interim
        responses, one of which soon fails, however far away it was. There is nothing of the kind for HTTP/1.0, nor
        within a response.
        """
        cycle = self._in_progress
        if cycle is None or not self.is_answering or self.cycle.more_body or cycle.response_started:
            return False
        if cycle.scope["http_version"] == "1.0":
            return False
        self.cycle.keep_alive = False  # no further request can come
        self._probe(*PROBES)
        return True

    def _probe(self, *pauses: float) -> None:
        if self._in_progress is None or self._in_progress.response_started or self.transport.is_closing():
            return
        self.transport.write(_INTERIM)
        if pauses:
            self.loop.call_later(pauses[0], self._probe, *pauses[1:])

    def abort(self) -> None:
        """Close at once, and drop everything in transit."""
        self._is_refused = True
        self._stop_answering()
        self.transport.abort()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._in_progress = cycle
        if cycle.scope["http_version"] == "1.0":
            app = Unchunked(app, cycle)
        cycle.transport = _InOnePiece(cycle)  # type: ignore[assignment]  # it has what a response uses
        super()._start_asgi_task(cycle, app)

    def _stop_answering(self) -> None:
        """Tell the application that its client disconnected. uvicorn tells only the last of pipelined requests."""
        if self._in_progress is not None and not self._in_progress.response_complete:
            self._in_progress.disconnected = True
            self._in_progress.message_event.set()

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        self._received += len(data)
        self._beside_body += len(data)
        self._unset_keepalive_if_required()
        self._parse(data)
        if not self._is_receiving:
            self._unwatch()
        elif self._beside_body > MAX_HEADER_BYTES:
            self._refuse(_TOO_LARGE)  # headers, trailers or chunk extensions that do not end
        elif self._deadline is None:
            self._watch()

    def _parse(self, data: bytes) -> None:
        """Feed the parser. Where it stops because the client offers another protocol, begin again without the offer."""
        while not self._is_refused:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as offer:
                data = self._head_without_offer() + data[offer.args[0] :]
                self._new_parser()
            except httptools.HttpParserError:
                self.send_400_response("Invalid HTTP request received.")

    def _head_without_offer(self) -> bytes:
        parser = self.parser
        return without_offer(
            self.headers, method=parser.get_method(), target=self.url, version=parser.get_http_version()
        )

    def _new_parser(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_offer = False
        self._is_receiving = self._is_in_headers = True
        self._header_bytes = self._header_count = self._received = self._beside_body = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_count += 1
        self._header_bytes += len(name) + len(value)
        if self._is_in_headers and self._header_count <= MAX_HEADERS:  # trailers are ignored
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._is_in_headers = False
        if self._is_refused:
            return
        if len(self.url) > MAX_URL_BYTES:
            self._refuse(_TOO_LONG)
        elif self._header_count > MAX_HEADERS or self._header_bytes > MAX_HEADER_BYTES:
            self._refuse(_TOO_LARGE)
        elif len(self.pipeline) >= MAX_PIPELINED:
            self._refuse(_TOO_MANY)
        else:
            self._begin()

    def _begin(self) -> None:
        """Pass a request on if its head is unambiguous; refuse it otherwise. One with an offer is read once more."""
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            self._is_offer = True
            return
        try:
            self.headers[:] = checked(self.headers, version=self.parser.get_http_version(), target=self.url)
        except Malformed as error:
            self._refuse(_refusal("400 Bad Request", str(error)))
            return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._beside_body = 0
        if not self._is_refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._is_offer:
            return
        self._is_receiving = False
        if not self._is_refused:
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Send the parser's refusal like all others."""
        self._refuse(_refusal("400 Bad Request", msg))

    def _refuse(self, response: bytes) -> None:
        """Answer and close. If an earlier request still waits for its response, only close: the client would take this
        answer for that response.
        """
        is_its_own = self.is_answering and self.cycle.more_body and not (self.cycle.response_started or self.pipeline)
        if self.is_answering and not is_its_own:
            self.abort()
            return
        self._is_refused = True
        self._stop_answering()
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
        """The deadline has passed: abort unless the headers, or enough of the body since last time, have arrived."""
        self._deadline = None
        if self._is_in_headers or self._received < self._expected:
            self.abort()
        else:
            self._watch()
