"""A pool of connections that are reused for the same origin, bounded in number and age."""

import asyncio
import ssl
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple, cast

from apps.common.connections import Connection
from apps.common.dialing import Dialer
from apps.common.places import Places
from apps.common.responses import ConnectFailed, NonFree

TLS = ssl.create_default_context()  # made once, since it reads every certificate that the system trusts
TLS.set_alpn_protocols(["http/1.1"])


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayLimits:
    """The timeouts of the relay, in seconds, and its number of connections."""

    connect_timeout: float
    pool_timeout: float
    keepalive_expiry: float
    max_connections: int
    max_idle: int | None = None  # no limit of its own


class Origin(NamedTuple):
    """Where a connection leads. One that may be private skipped the address guard, so it serves no other URL."""

    is_secure: bool
    host: str
    port: int
    allow_private: bool


class Share(NamedTuple):
    """How many connections of a pool one of its users may have at once, so that one that hangs cannot take them all."""

    name: str
    most: int


class Pool:
    """All connections of one client. Create it inside the event loop."""

    def __init__(self, limits: RelayLimits) -> None:
        self._limits = limits
        self._max_idle = limits.max_idle
        self._dialer = Dialer()
        self._places = Places(limits.max_connections)
        self._shares: dict[Share, Places] = {}  # few: one a provider, and one more when its number changes
        self.in_use = 0  # including those being opened
        self._busy: dict[Connection, tuple[Origin, Places]] = {}
        self._idle: dict[Origin, deque[Connection]] = {}  # the longest idle first
        self._loop = asyncio.get_running_loop()
        self._sweeper = self._loop.call_later(limits.keepalive_expiry, self._sweep)
        self._is_closed = False

    async def take(self, origin: Origin, share: Share, *, patience: float, is_new: bool = False) -> Connection:
        """A connection for one exchange, after which it returns to the pool by itself. Raises ConnectFailed.

        It waits `patience` seconds, but no longer than the pool allows, for one to become free. Raises NonFree then.
        """
        places = self._shares.get(share) or self._shares.setdefault(share, Places(share.most))
        if places.free > 0 and self._places.free > 0:
            places.take()
            self._places.take()
        else:
            await self._wait_for_place(places, share, seconds=min(patience, self._limits.pool_timeout))
        self.in_use += 1
        try:
            connection = (None if is_new else self._kept(origin)) or await self._connect(origin)
        except BaseException:
            self._free_place(places)
            raise
        self._busy[connection] = origin, places
        return connection

    @property
    def waiting(self) -> int:
        """How many wait for a connection."""
        return self._places.waiting + sum(places.waiting for places in self._shares.values())

    def retire(self) -> None:
        """Close idle connections, and from now on each of the others when its exchange is over."""
        self._max_idle = 0
        self._sweeper.cancel()
        self._close_idle()

    async def close(self) -> None:
        """Close all connections, including those in use."""
        self._is_closed = True
        self._sweeper.cancel()
        for connection in [*self._busy]:
            connection.abort()
        self._close_idle()
        await asyncio.sleep(0)  # transports close in the loop's next iteration

    async def _wait_for_place(self, places: Places, share: Share, *, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await places.wait()  # first, so that those who wait for it take none from the others
                try:
                    await self._places.wait()
                except BaseException:
                    places.give_back()
                    raise
        except TimeoutError as error:
            which = "No connection" if places.free > 0 else f"None of the {share.most} connections to {share.name}"
            raise NonFree(f"{which} was free within {seconds:g} seconds.") from error

    def _free_place(self, places: Places) -> None:
        self.in_use -= 1
        self._places.give_back()
        places.give_back()

    def _kept(self, origin: Origin) -> Connection | None:
        """The connection that was used last, which the server is the least likely to have closed."""
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
        except (OSError, ValueError) as error:  # including timeouts, bad names and bad certificates
            raise ConnectFailed(f"{origin.host}: {error!r}") from error
        if self._is_closed or connection.is_closing:
            connection.abort()
            raise ConnectFailed(f"{origin.host}: The connection was closed before anything was sent.")
        return connection

    async def _open(self, origin: Origin) -> Connection:
        opened = await self._dialer.dial(origin.host, origin.port, allow_private=origin.allow_private)
        connection = Connection(opened, self._on_free)
        try:
            transport, _ = await self._loop.create_connection(lambda: connection, sock=opened)
        except BaseException:
            opened.close()
            raise
        if origin.is_secure and not connection.is_closing:
            await self._secure(connection, transport, name=origin.host.rstrip("."))
        return connection

    async def _secure(self, connection: Connection, transport: asyncio.Transport, *, name: str) -> None:
        """A separate step, since asyncio leaks a connection whose handshake is cancelled before it has begun."""
        try:
            secured = await self._loop.start_tls(transport, connection, TLS, server_hostname=name)
            connection.connection_made(cast(asyncio.Transport, secured))
        except BaseException:
            transport.abort()
            raise

    def _make_room(self) -> None:
        """Close an idle connection if a new one would be too many, since idle ones count as well."""
        while self.in_use + sum(map(len, self._idle.values())) > self._limits.max_connections:
            next(filter(None, self._idle.values())).popleft().abort()

    def _on_free(self, connection: Connection, is_reusable: bool) -> None:
        origin, places = self._busy.pop(connection)
        self._free_place(places)
        if is_reusable:
            connection.idle_since = self._loop.time()
            self._idle.setdefault(origin, deque()).append(connection)
            if self._max_idle is not None:
                self._drop_oldest(self._max_idle)

    def _drop_oldest(self, most: int) -> None:
        while sum(map(len, self._idle.values())) > most:
            min(filter(None, self._idle.values()), key=lambda idle: idle[0].idle_since).popleft().abort()

    def _close_idle(self) -> None:
        for idle in self._idle.values():
            for connection in idle:
                connection.abort()
        self._idle.clear()

    def _sweep(self) -> None:
        """Close connections that have been idle for too long. It may run late, since `_kept` checks the age as well."""
        oldest = self._loop.time() - self._limits.keepalive_expiry
        for idle in self._idle.values():
            while idle and idle[0].idle_since <= oldest:
                idle.popleft().abort()
        self._idle = {origin: idle for origin, idle in self._idle.items() if idle}
        self._sweeper = self._loop.call_later(self._limits.keepalive_expiry, self._sweep)
