"""The response classes of the data plane."""

from collections.abc import AsyncIterator, Callable, Mapping
from urllib.parse import quote

from django.http.response import BadHeaderError, HttpResponseBase

_PRINTED = "".join(map(chr, range(32, 127))).replace("%", "")
PLAIN = {"content-type": "application/json"}
STREAMED = {"x-accel-buffering": "no"}
STREAM_TYPE = {"content-type": "text/event-stream; charset=utf-8"}


class ClientLeft(Exception):
    """The client disconnected before it had sent its request or received its response."""


class AnswerCut(Exception):
    """The answer ended before its end. The server ends the connection as well, so that it does not look whole."""


class Answer(HttpResponseBase):
    """What the data plane's handler sends: headers, and a body or, if that is None, the blocks of a stream.

    The handler calls `on_disconnect` if the client disconnects before the end. Django's constructor is not called: it
    prepares charsets, cookies and closers, which nothing here needs and which costs as much as ten rules. Like it, this
    one raises BadHeaderError for a value with a line break, such as staff may have put into a provider's model name.
    """

    status_code = 200

    def __init__(
        self,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        blocks: AsyncIterator[bytes],
        on_disconnect: Callable[[], None],
    ) -> None:
        values = "".join(headers.values())
        if "\n" in values or "\r" in values:
            raise BadHeaderError("Header values can't contain newlines.")
        self.streaming = body is None
        kind = {**headers, **PLAIN} if body is not None else {**STREAMED, **headers, **STREAM_TYPE}
        self.headers: dict[str, str] = kind  # type: ignore[assignment]  # Django's class checks each header that is set
        self.body = body
        self.blocks = blocks
        self.on_disconnect = on_disconnect


class Relayed(HttpResponseBase):
    """An answer of a service, passed on as it comes: its header pairs, names in lower case, and its body in pieces.

    The handler adds nothing but the request id, and calls `on_disconnect` if the client disconnects before the end.
    """

    streaming = True

    def __init__(
        self,
        *,
        status: int,
        pairs: list[tuple[bytes, bytes]],
        blocks: AsyncIterator[bytes],
        on_disconnect: Callable[[], None],
    ) -> None:
        self.status_code = status
        self.pairs = pairs
        self.blocks = blocks
        self.on_disconnect = on_disconnect


def encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Header pairs as ASGI sends them. No value has a line break: all responses refuse those when they are made.

    A value that is not ASCII is percent-encoded UTF-8, which every client can read: headers have no character set.
    """
    if "".join(headers.values()).isascii():
        return [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return [(name.lower().encode(), _ascii(value)) for name, value in headers.items()]


def _ascii(value: str) -> bytes:
    return (value if value.isascii() else quote(value, safe=_PRINTED)).encode()
