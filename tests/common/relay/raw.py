"""A server that sends exactly the bytes that a test wants, and what the tests of the relay share."""

import asyncio
import contextlib
import re
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from apps.common.clients import RelayClient, RelayLimits, RelayResponse

LIMITS = RelayLimits(connect_timeout=2, pool_timeout=2, keepalive_expiry=5, max_connections=10)
SECONDS = 10.0
OK = b"HTTP/1.1 200 OK\r\n"
HELLO = OK + b"content-length: 5\r\n\r\nhello"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"


class Peer:
    """One connection, seen from the server."""

    def __init__(self, server: "RawServer", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.server = server

    async def request(self) -> bytes:
        """One whole request. Raises IncompleteReadError when the client has closed instead."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        body = await self.reader.readexactly(int(length[1]) if length else 0)
        self.server.requests.append(head + body)
        return head + body

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0.001)

    def reset(self) -> None:
        opened = self.writer.get_extra_info("socket")
        if opened is not None:  # the client may have been faster
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def has_left(self) -> None:
        """Returns when the client has closed."""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(SECONDS):
                while await self.reader.read(65_536):
                    pass


Script = Callable[[Peer], Awaitable[None]]


class RawServer:
    """Runs a script for every connection, and closes it when the script ends."""

    def __init__(self, script: Script) -> None:
        self.connections = self.open = 0
        self.requests: list[bytes] = []
        self.port = 0
        self._script = script
        self._tasks: set[asyncio.Task[None]] = set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.open += 1
        try:
            await self._script(Peer(self, reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.open -= 1
            self._tasks.discard(task)
            writer.close()

    def url(self, host: str = "127.0.0.1", *, scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}/v1"

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def serving(
    script: Script, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[RawServer]:
    raw = RawServer(script)
    server = await asyncio.start_server(raw.accept, host, 0, ssl=tls, limit=1 << 20)
    raw.port = server.sockets[0].getsockname()[1]
    try:
        yield raw
    finally:
        server.close()
        await raw.stop()
        await asyncio.sleep(0.01)


def replies(*pieces: bytes) -> Script:
    """The same response to every request, and the connection stays open."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(*pieces)

    return script


def replies_once(*pieces: bytes) -> Script:
    """A response, and then the end of the connection."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(*pieces)

    return script


async def ask(client: RelayClient, url: str, method: str = "POST", **options: Any) -> RelayResponse:
    values = {"body": b"{}", "headers": {}, "patience": SECONDS, "allow_private": True, **options}
    return await client.request(method, url, **values)


async def read(response: RelayResponse) -> bytes:
    """The whole body."""
    blocks = []
    try:
        async with asyncio.timeout(SECONDS):
            while block := await response.read():
                blocks.append(block)
    finally:
        response.close()
    return b"".join(blocks)


async def fetch(client: RelayClient, url: str, method: str = "POST", **options: Any) -> bytes:
    return await read(await ask(client, url, method, **options))


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110  # a test may look
            await asyncio.sleep(0.005)
