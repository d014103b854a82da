"""A provider that costs next to nothing: answers chat completions at once, plain or as an 80-chunk stream.

Raw asyncio, so that what is measured is the gateway. The model name steers it: `mock` answers at once and
`mock-cN-dM` streams N chunks M milliseconds apart. Run it as `python -m bench.upstream PORT`.
"""

import asyncio
import json
import re
import sys
from typing import Any

import uvloop

WORDS = "A balanced tree keeps both sides of every node at nearly the same height. " * 5
CHUNKS = 80
_STEER = re.compile(rb'"model"\s*:\s*"mock(?:-c(\d+)-d(\d+))?"')
_LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)


def _plain() -> bytes:
    body = json.dumps(
        {
            "id": "chatcmpl-bench",
            "object": "chat.completion",
            "created": 1,
            "model": "mock",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": WORDS}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 20, "completion_tokens": CHUNKS, "total_tokens": 20 + CHUNKS},
        }
    ).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


def _event(**fields: object) -> bytes:
    whole = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1, "model": "mock", **fields}
    data = b"data: " + json.dumps(whole).encode() + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(data), data)


def _choice(delta: dict[str, str], finish: str | None = None) -> list[dict[str, object]]:
    return [{"index": 0, "delta": delta, "finish_reason": finish}]


PLAIN = _plain()
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
PIECE = _event(choices=_choice({"content": "word "}))
STOP = _event(choices=_choice({}, "stop"))
END = b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"


def _tail(chunks: int) -> bytes:
    usage = {"prompt_tokens": 20, "completion_tokens": chunks, "total_tokens": 20 + chunks}
    return STOP + _event(choices=[], usage=usage) + END


class Upstream(asyncio.Protocol):
    """One keep-alive connection."""

    def connection_made(self, transport: Any) -> None:
        self._transport, self._received = transport, b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n") + 4) > 3:
            length = _LENGTH.search(self._received[:end])
            total = end + (int(length[1]) if length else 0)
            if len(self._received) < total:
                return
            body, self._received = self._received[end:total], self._received[total:]
            self._answer(body)

    def _answer(self, body: bytes) -> None:
        if b'"stream":true' not in body.replace(b" ", b""):
            self._transport.write(PLAIN)
            return
        steer = _STEER.search(body)
        count, pause = (int(group or 0) for group in steer.groups()) if steer else (0, 0)
        if pause:
            self._task = asyncio.get_running_loop().create_task(self._stream(count, pause / 1000))
        else:
            self._transport.write(HEAD + PIECE * (count or CHUNKS) + _tail(count or CHUNKS))

    async def _stream(self, count: int, pause: float) -> None:
        self._transport.write(HEAD)
        for _ in range(count):
            if self._transport.is_closing():
                return
            self._transport.write(PIECE)
            await asyncio.sleep(pause)
        self._transport.write(_tail(count))


async def _main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port, backlog=4096)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.install()
    asyncio.run(_main(int(sys.argv[1])))
