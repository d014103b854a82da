"""uvicorn's fast HTTP protocol, with limits on the size and speed of requests and on the number of connections.

The parser accepts headers of any size and number and waits for them forever, so a few hundred slow clients would hold
as many connections for nothing. A request that arrives in one piece, as nearly all do, costs a few comparisons here.
"""

import asyncio
import socket
import struct
from typing import Any

import httptools
from django.conf import settings
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from apps.dataplane.answers import AnswerCut
from gateway_project.edge.framing import Malformed, checked, without_offer
from gateway_project.edge.old_http import Unchunked
from gateway_project.edge.one_piece import InOnePiece
from gateway_project.edge.readers import SlowReader
from gateway_project.edge.refusals import BAD_REQUEST, TOO_LARGE, TOO_LONG, refusal, too_many

MAX_HEADER_BYTES = 32_768
MAX_HEADERS = 100
MAX_URL_BYTES = 8_192
LEAST_BYTES_A_SECOND = 1_024
MAX_PIPELINED = 32
# Keys of `state` in a scope: what the application wants to be called when the body of its request hardly comes on, or
# when its client has left, and what the server tells it of an offer to go on in another protocol.
ON_STALL, ON_LEAVE, OFFERED = "on_stall", "on_leave", "offered"
_RESET = struct.pack("ii", 1, 0)  # a socket that lingers for no time sends a reset when it is closed
PROBES = (0.1, 0.4, 1.6, 6.4)  # seconds between probes: few, since some clients take five interim responses and no more
_INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"


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
        self._offered = b""
        self._header_bytes = self._header_count = 0
        self._received = self._expected = self._beside_body = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._in_progress: RequestResponseCycle | None = None
        self._reader: SlowReader | None = None

    def connection_made(self, transport: Any) -> None:
        if len(self.connections) >= self._ceiling:
            self.transport = transport
            self._refuse(too_many())
            return
        super().connection_made(transport)
        self._watch()

    @property
    def is_answering(self) -> bool:
        """A request has arrived and its response is not complete."""
        return self.cycle is not None and not self.cycle.response_complete

    def pause_writing(self) -> None:
        """A client of a service must take some of its answer. Chat looks after its own, and says why they end."""
        super().pause_writing()
        if self._in_progress is not None and self._in_progress.scope["path"].startswith("/svc"):
            self._reader = SlowReader(self.transport, self.loop, on_stall=self.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._reader is not None:
            self._reader.end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch()
        if self._reader is not None:
            self._reader.end()
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
        if cycle.scope["path"].startswith("/svc"):
            app = self._cutting(cycle, app)
        cycle.transport = InOnePiece(cycle)  # type: ignore[assignment]  # it has what a response uses
        super()._start_asgi_task(cycle, app)

    def _cutting(self, cycle: RequestResponseCycle, app: Any) -> Any:
        """The application, which may end an answer before its end by raising AnswerCut."""

        async def cutting(scope: Any, receive: Any, send: Any) -> None:
            try:
                await app(scope, receive, send)
            except AnswerCut:
                self._cut(cycle)

        return cutting

    def _cut(self, cycle: RequestResponseCycle) -> None:
        """Close without an end of the answer. HTTP/1.0 takes the end of the connection for it, but not a reset."""
        self._is_refused = True
        self._stop_answering()
        if cycle.scope["http_version"] == "1.0":
            opened = self.transport.get_extra_info("socket")
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.transport.abort()
        else:
            self.transport.close()

    def _stop_answering(self) -> None:
        """Tell the application that its client disconnected. uvicorn tells only the last of pipelined requests."""
        if self._in_progress is not None and not self._in_progress.response_complete:
            self._in_progress.disconnected = True
            self._in_progress.message_event.set()
            if (tell := self._in_progress.scope["state"].pop(ON_LEAVE, None)) is not None:
                tell()

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
            self._refuse(refusal(TOO_LARGE))  # headers, trailers or chunk extensions that do not end
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
        self._offered = b", ".join(value for name, value in self.headers if name == b"upgrade")
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
            self._refuse(refusal(TOO_LONG))
        elif self._header_count > MAX_HEADERS or self._header_bytes > MAX_HEADER_BYTES:
            self._refuse(refusal(TOO_LARGE))
        elif len(self.pipeline) >= MAX_PIPELINED:
            self._refuse(too_many())
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
            self._refuse(refusal(BAD_REQUEST, str(error)))
            return
        if self._offered:
            self.scope["state"][OFFERED], self._offered = self._offered, b""
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
        self._refuse(refusal(BAD_REQUEST, msg))

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
        """The deadline has passed: abort unless the headers, or enough of the body since last time, have arrived.

        An application that wants to answer instead has until next time.
        """
        self._deadline = None
        if self._is_in_headers:
            self.abort()
        elif self._received >= self._expected or self.flow.read_paused or self._tell_of_stall():
            self._watch()
        else:
            self.abort()

    def _tell_of_stall(self) -> bool:
        """False if there is nobody to tell, or not any more."""
        tell = self.scope["state"].pop(ON_STALL, None)
        if tell is None or self.cycle.disconnected:
            return False
        tell()
        return True
