"""A provider within the test's own process and event loop, so that the test says when each of its bytes comes."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from apps.providers.adapters.protocol import Outgoing
from apps.providers.routing import Candidate

DONE = b"data: [DONE]\n\n"
FINISH = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\n'


def piece(text: str, *, index: int = 0) -> bytes:
    """The event of a stream that brings this text."""
    return event({"choices": [{"index": index, "delta": {"content": text}}]})


def event(payload: Any) -> bytes:
    return f"data: {json.dumps(payload)}\n\n".encode()


def usage(input: int, output: int) -> bytes:
    return event({"choices": [], "usage": {"prompt_tokens": input, "completion_tokens": output}})


def completion(*texts: str, **extra: Any) -> bytes:
    """A plain answer with these choices."""
    choices = [{"index": index, "message": {"content": text}} for index, text in enumerate(texts)]
    return json.dumps({"choices": choices, **extra}).encode()


class ScriptedUpstream:
    """An accepted call. It says what it is told to, and then waits for more until it is told to end."""

    provider_request_id = ""

    def __init__(self) -> None:
        self._script: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        self.on_close: Callable[[], None] = lambda: None
        self.is_closed = False
        self.hops = 0
        self.is_silent = False  # all that it said has been read, and whoever reads waits for more

    def say(self, *chunks: bytes) -> None:
        self.is_silent = False
        for chunk in chunks:
            self._script.put_nowait(chunk)

    def end(self) -> None:
        self._script.put_nowait(None)

    def fail(self, error: Exception) -> None:
        self._script.put_nowait(error)

    async def chunks(self) -> AsyncIterator[bytes]:
        while (item := await self._next()) is not None:
            if isinstance(item, Exception):
                raise item
            for _ in range(self.hops):
                await asyncio.sleep(0)
            yield item

    async def _next(self) -> bytes | Exception | None:
        if self._script.empty():
            self.is_silent = True
        return await self._script.get()

    async def read_by_now(self) -> None:
        """Wait until all that it said has been read."""
        async with asyncio.timeout(20.0):
            while not self.is_silent:  # noqa: ASYNC110  # there is no event for that
                await asyncio.sleep(0)

    def close(self) -> None:
        self.is_closed = True
        self.on_close()


class ScriptedAdapter:
    """Accepts every call with the same upstream and counts them, or raises what it is given instead."""

    def __init__(self, upstream: ScriptedUpstream | None = None, *, error: Exception | None = None) -> None:
        self.upstream, self._error = upstream or ScriptedUpstream(), error
        self.asked = 0
        self.sent: list[Outgoing] = []

    async def open(self, candidate: Candidate, outgoing: Outgoing) -> ScriptedUpstream:
        self.asked += 1
        self.sent.append(outgoing)
        if self._error is not None:
            raise self._error
        return self.upstream
