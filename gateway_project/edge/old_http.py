"""Responses to HTTP/1.0, which knows no chunks: without a length they end by closing (RFC 9112 6.1)."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class Unchunked:
    """An application as uvicorn is to run it for one request of HTTP/1.0, whose connection it closes in any case."""

    def __init__(self, app: Any, cycle: RequestResponseCycle) -> None:
        self._app, self._cycle = app, cycle
        self._has_length = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_unchunked(message: Any) -> None:
            if message["type"] == "http.response.start":
                self._has_length = any(name.lower() == b"content-length" for name, _ in message.get("headers", ()))
                self._cycle.chunked_encoding = None if self._has_length else False
            elif not self._has_length:
                self._cycle.expected_content_length = len(message.get("body", b""))  # as if it had been announced
            await send(message)

        await self._app(scope, receive, send_unchunked)
