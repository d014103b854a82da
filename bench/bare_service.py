"""A service that costs next to nothing: answers 1 kB, or as much as the path says, and swallows what it is sent.

Raw asyncio, so that what is measured is what stands before it. `/` answers 1 kB, and `/N` so many bytes. Run it as
`python -m bench.bare_service PORT`.
"""

import asyncio
import re
import sys
from typing import Any

import uvloop

BLOCK = b"x" * 65_536
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n"
SMALL = ANSWER % 1024 + BLOCK[:1024]
_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)


class BareService(asyncio.Protocol):
    """One keep-alive connection."""

    def connection_made(self, transport: Any) -> None:
        self._transport, self._received = transport, b""
        self._path, self._to_come = b"", 0
        self._room = asyncio.Event()
        self._room.set()

    def data_received(self, data: bytes) -> None:
        if self._to_come > 0:
            self._take(len(data))
            return
        self._received += data
        end = self._received.find(b"\r\n\r\n") + 4
        if end > 3:
            head, rest, self._received = self._received[:end], self._received[end:], b""
            length = _LENGTH.search(head)
            self._path, self._to_come = head.split(b" ", 2)[1], int(length[1]) if length else 0
            self._take(len(rest))

    def _take(self, count: int) -> None:
        self._to_come -= count
        if self._to_come <= 0:
            size = self._path.rpartition(b"/")[2]
            if size.isdigit():
                self._task = asyncio.get_running_loop().create_task(self._stream(int(size)))
            else:
                self._transport.write(SMALL)

    async def _stream(self, count: int) -> None:
        self._transport.write(ANSWER % count)
        while count > 0 and not self._transport.is_closing():
            self._transport.write(BLOCK[:count])
            count -= len(BLOCK)
            await self._room.wait()

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    def connection_lost(self, error: Exception | None) -> None:
        self._room.set()


async def _main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(BareService, "127.0.0.1", port, backlog=4096)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.install()
    asyncio.run(_main(int(sys.argv[1])))
