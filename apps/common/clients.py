"""The relay client: the one seam through which answers are fetched from providers.

Our own, on the parser that the web server uses as well: a third of the work of any client library that was measured.
Callers see only the names defined here.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from apps.common.connections import (
    ConnectFailed,
    Connection,
    ConnectionBroken,
    NothingCame,
    RelayError,
    RelayResponse,
    TooSlow,
)
from apps.common.dialing import Dialer

__all__ = [
    "ConnectFailed",
    "ConnectionBroken",
    "RelayClient",
    "RelayError",
    "RelayLimits",
    "RelayResponse",
    "TooSlow",
]

_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})  # RFC 9110, 9.2.2
_PORTS = {"http": 80, "https": 443}
_NOT_QUOTED = "%/:?@!$&'()*+,;=~"  # in a path or query, beside letters and digits


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayLimits:
    """Seconds and counts that bound the relay."""

    connect_timeout: float
    pool_timeout: float
    keepalive_expiry: float
    max_connections: int


class Origin(NamedTuple):
    """What connections are kept for. Those that the address guard has not checked are kept apart."""

    is_secure: bool
    host: str
    port: int
    allow_private: bool


class RelayClient:
    """Pooled connections to providers: no cookies, no redirects, no proxies from the environment, no decompression.

    Make it inside the event loop.
    """

    def __init__(self, limits: RelayLimits) -> None:
        self._limits = limits
        self._dialer = Dialer()
        self._places = asyncio.Semaphore(limits.max_connections)
        self._in_use = 0
        self._idle: dict[Origin, deque[Connection]] = {}  # the longest idle first
        self._busy: dict[Connection, Origin] = {}
        self._loop = asyncio.get_running_loop()
        self._sweeper: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._tls = ssl.create_default_context()
        self._tls.set_alpn_protocols(["http/1.1"])

    async def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes,
        headers: Mapping[str, str],
        first_byte_timeout: float,
        allow_private: bool,
    ) -> RelayResponse:
        """Send and wait for the response headers. Raises RelayError.

        What cannot have been read by anyone, or may be sent twice, is sent again if a kept connection turns out closed.
        """
        origin, authority, path = _target(url, allow_private)
        head = _head(method, path, {"host": authority, **headers, "content-length": str(len(body))})
        try:
            async with asyncio.timeout(first_byte_timeout):
                return await self._exchange(origin, method, head, body)
        except TimeoutError as error:
            raise TooSlow(f"No response within {first_byte_timeout:g} seconds.") from error

    async def close(self) -> None:
        """Also ends what is still being read."""
        self._is_closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in [*self._busy, *(one for idle in self._idle.values() for one in idle)]:
            connection.abort()
        self._idle.clear()
        await asyncio.sleep(0)  # the transports say goodbye

    def open_connections(self) -> int:
        """Connections in use now, or about to be, for the metrics."""
        return self._in_use

    async def _exchange(self, origin: Origin, method: str, head: bytes, body: bytes) -> RelayResponse:
        connection = await self._take(origin)
        try:
            return await connection.ask(head, body, is_head=method == "HEAD")
        except NothingCame:
            if not connection.idle_since or method not in _REPEATABLE:
                raise
        connection = await self._take(origin, is_new=True)
        return await connection.ask(head, body, is_head=method == "HEAD")

    # The pool

    async def _take(self, origin: Origin, *, is_new: bool = False) -> Connection:
        """A connection for one exchange, after which it gives itself back. Raises ConnectFailed."""
        await self._wait_for_place()
        try:
            connection = (None if is_new else self._kept(origin)) or await self._connect(origin)
        except BaseException:
            self._free_place()
            raise
        self._busy[connection] = origin
        return connection

    async def _wait_for_place(self) -> None:
        if self._places.locked():
            try:
                async with asyncio.timeout(self._limits.pool_timeout):
                    await self._places.acquire()
            except TimeoutError as error:
                raise ConnectFailed(f"No connection was free within {self._limits.pool_timeout:g} seconds.") from error
        else:
            await self._places.acquire()
        self._in_use += 1

    def _free_place(self) -> None:
        self._in_use -= 1
        self._places.release()

    def _kept(self, origin: Origin) -> Connection | None:
        """The connection that was used last, for it is the least likely to be closed at the other end."""
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if self._loop.time() - connection.idle_since < self._limits.keepalive_expiry and connection.is_silent():
                return connection
            connection.abort()
        return None

    async def _connect(self, origin: Origin) -> Connection:
        self._make_room()
        try:
            async with asyncio.timeout(self._limits.connect_timeout):
                connection = await self._open(origin)
        except (OSError, ValueError) as error:  # names, certificates and the timeout included
            raise ConnectFailed(f"{origin.host}: {error!r}") from error
        if self._is_closed or connection.is_closing:
            connection.abort()
            raise ConnectFailed(f"{origin.host}: The connection was closed before anything was sent.")
        return connection

    async def _open(self, origin: Origin) -> Connection:
        opened = await self._dialer.dial(origin.host, origin.port, allow_private=origin.allow_private)
        connection = Connection(opened, self._free)
        try:
            await self._loop.create_connection(
                lambda: connection,
                sock=opened,
                ssl=self._tls if origin.is_secure else None,
                server_hostname=origin.host.rstrip(".") if origin.is_secure else None,
            )
        except BaseException:
            opened.close()
            raise
        return connection

    def _make_room(self) -> None:
        """Connections that are kept count as well: one of them goes for one that is needed."""
        while self._in_use + sum(map(len, self._idle.values())) > self._limits.max_connections:
            next(filter(None, self._idle.values())).popleft().abort()

    def _free(self, connection: Connection, is_reusable: bool) -> None:
        origin = self._busy.pop(connection)
        self._free_place()
        if not is_reusable:
            return
        connection.idle_since = self._loop.time()
        self._idle.setdefault(origin, deque()).append(connection)
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(self._limits.keepalive_expiry, self._sweep)

    def _sweep(self) -> None:
        """Close what has been idle for too long. Whatever is taken is looked at, so this may come late."""
        self._sweeper = None
        oldest = self._loop.time() - self._limits.keepalive_expiry
        for idle in self._idle.values():
            while idle and idle[0].idle_since <= oldest:
                idle.popleft().abort()
        if any(self._idle.values()):
            self._sweeper = self._loop.call_later(self._limits.keepalive_expiry, self._sweep)


@lru_cache(maxsize=1024)
def _target(url: str, allow_private: bool) -> tuple[Origin, str, str]:
    """Origin, Host and path. Raises ConnectFailed."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host = host if host.isascii() else host.encode("idna").decode()
    except ValueError as error:
        raise ConnectFailed(repr(error)) from error
    if not host or parts.scheme not in _PORTS:
        raise ConnectFailed("The URL is not of a web server.")
    usual = _PORTS[parts.scheme]
    authority = f"[{host}]" if ":" in host else host.rstrip(".")
    return (
        Origin(parts.scheme == "https", host, port or usual, allow_private),
        authority if port in (None, usual) else f"{authority}:{port}",
        quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=_NOT_QUOTED),
    )


def _head(method: str, path: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    head = "\r\n".join(lines) + "\r\n\r\n"
    if not head.count("\r") == head.count("\n") == len(lines) + 1 or "\0" in head:
        raise ValueError("A header contains a line break.")
    return head.encode()
