"""What all apps of the data plane share in one process."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import connection

from apps.accounts.audit.sightings import Sightings
from apps.accounts.audit.watching import watch_for_ever
from apps.accounts.principals import Principals
from apps.common.clients import RelayClient, RelayLimits
from apps.common.commit import Writer
from apps.common.owners import Owner
from apps.common.revisions import Snapshot, keep_fresh, refresh_all
from apps.dataplane.admission import Admission, watch_lag
from apps.quotas.policies import Policies
from apps.quotas.policy_snapshot import policies
from apps.quotas.rate_limits.limits import RateLimits
from apps.quotas.rate_limits.memory import MemoryRateLimits
from apps.quotas.rate_limits.opening import open_rate_limits


@dataclass(slots=True, kw_only=True)
class DataPlane:
    """Keys, allowances, limits, the queue, the writer and the client. Create it with `open`, inside the event loop.

    What only reads goes through `reader`, so that on SQLite it need not wait while another process writes.
    Apps register how their live answers end with `at_drain`, background loops with `run`, and cleanup with `at_close`.
    """

    owner: Owner
    writer: Writer
    client: RelayClient
    principals: Principals = field(default_factory=Principals)
    policies: Snapshot[Policies] = field(default_factory=policies)
    rates: RateLimits = field(default_factory=MemoryRateLimits)
    admission: Admission = field(default_factory=Admission)
    sightings: Sightings = field(default_factory=Sightings)
    is_draining: bool = False
    _beside: Writer | None = None
    _loops: list[asyncio.Task[None]] = field(default_factory=list)
    _drains: list[Callable[[float], Awaitable[None]]] = field(default_factory=list)
    _closes: list[Callable[[], Awaitable[None]]] = field(default_factory=list)

    @classmethod
    async def open(cls) -> "DataPlane":
        """Start the writer and create the other parts. Nothing is loaded and no loop runs before `start`."""
        owner = Owner(settings.OWNER_DIR)
        plane = cls(
            owner=owner,
            writer=Writer(name="ledger", sign=owner.id),
            _beside=Writer(name="reader", reads_only=True) if connection.vendor == "sqlite" else None,
            client=RelayClient(
                RelayLimits(
                    connect_timeout=settings.CONNECT_TIMEOUT,
                    pool_timeout=settings.POOL_TIMEOUT,
                    keepalive_expiry=settings.KEEPALIVE_EXPIRY,
                    max_connections=settings.MAX_CONNECTIONS,
                )
            ),
            rates=await open_rate_limits(
                redis_url=settings.REDIS_URL, budget=settings.REDIS_TIMEOUT, processes=settings.WEB_CONCURRENCY
            ),
        )
        plane.writer.start()
        if plane._beside is not None:
            plane._beside.start()
        return plane

    @property
    def reader(self) -> Writer:
        return self._beside or self.writer

    async def start(self, *snapshots: Snapshot[Any]) -> None:
        """Load all snapshots, those of the apps included, and keep them fresh. Ready when this returns."""
        kept = [*self.snapshots, *snapshots]
        await asyncio.to_thread(refresh_all, kept)
        self.run(keep_fresh(kept))
        self.run(watch_lag(self.admission.pressure))
        self.run(watch_for_ever(self.sightings))

    @property
    def snapshots(self) -> list[Snapshot[Any]]:
        return [self.principals.revision, self.principals.token_revision, self.policies]

    def run(self, loop: Coroutine[Any, Any, None]) -> None:
        """Run a loop in the background until `close`."""
        self._loops.append(asyncio.create_task(loop))

    def at_drain(self, drain: Callable[[float], Awaitable[None]]) -> None:
        """`drain(seconds)` must let live answers end for so long, end the rest, and return when all are settled."""
        self._drains.append(drain)

    def at_close(self, close: Callable[[], Awaitable[None]]) -> None:
        """`close` is awaited once no answer is left and the writer has committed everything."""
        self._closes.append(close)

    async def drain(self, *, seconds: float) -> None:
        """Accept no new calls and end the live ones. All of them are settled when this returns."""
        self.is_draining = True
        await asyncio.gather(*(drain(seconds) for drain in self._drains))

    async def close(self) -> None:
        """Stop in an order that loses nothing: answers, loops, ledger, what apps opened, connections, owner."""
        await self.drain(seconds=0)
        for task in self._loops:
            task.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        await asyncio.to_thread(self.writer.stop)
        await asyncio.to_thread(self.reader.stop)
        for close in self._closes:
            await close()
        await self.rates.close()
        await self.client.close()
        await asyncio.to_thread(self.owner.close)
