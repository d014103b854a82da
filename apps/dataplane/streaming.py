"""Responses of the data plane."""

from collections.abc import AsyncIterator, Callable, Mapping

from django.http.response import HttpResponseBase


class StreamedAnswer(HttpResponseBase):
    """Server-sent events that a pump provides. The data plane's handler sends `blocks` as they come.

    It calls `on_disconnect` if the client leaves before the end.
    """

    streaming = True

    def __init__(
        self, blocks: AsyncIterator[bytes], *, headers: Mapping[str, str], on_disconnect: Callable[[], None]
    ) -> None:
        super().__init__(
            content_type="text/event-stream; charset=utf-8",
            headers={"cache-control": "no-cache", "x-accel-buffering": "no", **headers},
        )
        self.blocks = blocks
        self.on_disconnect = on_disconnect
