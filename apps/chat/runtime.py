"""The data plane's parts, as one process holds them: made at start, passed to whoever needs them, closed at the end."""

import asyncio
import logging
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.conf import settings

from apps.accounts.principals import Principals
from apps.chat import upkeep
from apps.chat.accounting.estimates import Ratios
from apps.chat.accounting.transcripts import KnownEnds
from apps.chat.idempotency.recent import RecentAnswers, ReplayBudget
from apps.common.clients import RelayClient, RelayLimits
from apps.common.commit import Writer
from apps.common.owners import Owner
from apps.common.revisions import Snapshot, keep_fresh, refresh_all
from apps.common.sqlite_log import keep_log_short
from apps.conversations.spool.writer import Spool
from apps.dataplane.admission import Admission, watch_lag
from apps.providers.adapters import Adapter
from apps.providers.adapters.echo import EchoAdapter
from apps.providers.adapters.openai import OpenAIAdapter
from apps.providers.catalogue import Catalogue, catalogue
from apps.quotas.policies import Policies, policies
from apps.quotas.rate_limits.memory import MemoryRateLimits
from apps.quotas.rate_limits.opening import Limits, open_rate_limits
from apps.rules.rulebook import Rulebook, rulebooks

if TYPE_CHECKING:
    from apps.chat.idempotency.recent_in_redis import SharedRecentAnswers
    from apps.chat.relay.pump import Pump

logger = logging.getLogger(__name__)

END_SECONDS = 10.0  # for an answer that was told to end: its error event, its settlement, its record


@dataclass(slots=True, kw_only=True)
class Plane:
    """Everything that the chat path works with. Make it with `open`, inside the event loop."""

    owner: Owner
    writer: Writer
    spool: Spool
    client: RelayClient
    adapters: Mapping[str, Adapter]
    principals: Principals = field(default_factory=Principals)
    policies: Snapshot[Policies] = field(default_factory=policies)
    rulebooks: Snapshot[Mapping[int | None, Rulebook | None]] = field(default_factory=rulebooks)
    catalogue: Snapshot[Catalogue] = field(default_factory=catalogue)
    admission: Admission = field(default_factory=Admission)
    rates: Limits = field(default_factory=MemoryRateLimits)
    ratios: Ratios = field(default_factory=Ratios)
    known_ends: KnownEnds = field(default_factory=KnownEnds)
    recent: RecentAnswers = field(default_factory=RecentAnswers)
    shared_recent: "SharedRecentAnswers | None" = None
    replay_budget: ReplayBudget = field(default_factory=ReplayBudget)
    pumps: "set[Pump]" = field(default_factory=set)
    is_draining: bool = False
    _loops: list[asyncio.Task[None]] = field(default_factory=list)

    @classmethod
    async def open(cls) -> "Plane":
        """Start the threads, load every snapshot and begin the background loops. Ready when it returns."""
        owner = Owner(settings.OWNER_DIR)
        client = RelayClient(
            RelayLimits(
                connect_timeout=settings.CONNECT_TIMEOUT,
                pool_timeout=settings.POOL_TIMEOUT,
                keepalive_expiry=settings.KEEPALIVE_EXPIRY,
                max_connections=settings.MAX_CONNECTIONS,
            )
        )
        plane = cls(
            owner=owner,
            writer=Writer(name="ledger", sign=owner.id),
            spool=Spool(settings.SPOOL_DIR / f"{owner.id}.sqlite3"),
            client=client,
            adapters={"openai": OpenAIAdapter(client), "echo": EchoAdapter()},
            rates=await open_rate_limits(
                redis_url=settings.REDIS_URL, budget=settings.REDIS_TIMEOUT, processes=settings.WEB_CONCURRENCY
            ),
            shared_recent=_shared_retries(settings.REDIS_URL) if settings.REDIS_URL else None,
        )
        plane.writer.start()
        plane.spool.start()
        await asyncio.to_thread(refresh_all, plane.snapshots)
        plane._run(keep_fresh(plane.snapshots))
        plane._run(keep_log_short(plane.writer))
        plane._run(upkeep.sweep_for_ever(plane))
        plane._run(upkeep.watch_pumps_for_ever(plane))
        plane._run(upkeep.forget_repeats_for_ever(plane))
        plane._run(watch_lag(plane.admission.pressure))
        plane._run(upkeep.drain_if_nobody_does(plane.spool.path))
        return plane

    @property
    def snapshots(self) -> list[Snapshot[Any]]:
        return [self.principals.revision, self.policies, self.rulebooks, self.catalogue]

    def _run(self, loop: Coroutine[Any, Any, None]) -> None:
        self._loops.append(asyncio.create_task(loop))

    async def drain(self, *, seconds: float) -> None:
        """Let live answers end, at most so long; then end the rest with an error event. All are settled after it."""
        self.is_draining = True
        await self._wait_for_pumps(seconds)
        for pump in list(self.pumps):
            pump.halt("shutting_down")
        await self._wait_for_pumps(END_SECONDS)

    async def _wait_for_pumps(self, seconds: float) -> None:
        """Also for those that begin meanwhile, of calls that had been let in before."""
        until = time.monotonic() + seconds
        while self.pumps and (left := until - time.monotonic()) > 0:
            await asyncio.wait({pump.task for pump in self.pumps}, timeout=left)

    async def close(self) -> None:
        """Stop in the order in which nothing is lost: answers, loops, ledger, spool, connections, sign of life."""
        await self.drain(seconds=0)
        for task in self._loops:
            task.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        await asyncio.to_thread(self.writer.stop)
        await asyncio.to_thread(self.spool.stop)
        if self.shared_recent is not None:
            await self.shared_recent.close()
        await self.rates.close()
        await self.client.close()
        await asyncio.to_thread(self.owner.close)


def _shared_retries(url: str) -> "SharedRecentAnswers":
    from apps.chat.idempotency.recent_in_redis import SharedRecentAnswers  # Redis' client is 5 MB that few need

    return SharedRecentAnswers(url)
