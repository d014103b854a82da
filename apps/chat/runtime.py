"""The parts of the chat path in one process. Only composes them."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from apps.chat import upkeep
from apps.chat.accounting.books import Books
from apps.chat.accounting.estimates import Ratios
from apps.chat.accounting.transcripts import KnownEnds
from apps.chat.idempotency.recent import RecentAnswers, SharedAnswers
from apps.chat.relay.attempts import Providers
from apps.chat.relay.live import LiveAnswers
from apps.chat.relay.pump import Pump
from apps.common.health.sharing import share_for_ever
from apps.common.revisions import Snapshot
from apps.conversations.spool.writer import Spool
from apps.dataplane import revoked
from apps.dataplane.plane import DataPlane
from apps.providers.adapters import ADAPTERS
from apps.providers.catalogue import Catalogue, catalogue
from apps.providers.health.memory import Health
from apps.providers.health.news import Rows
from apps.providers.health.rows import health_rows, write
from apps.rules.rulebook import Rulebook
from apps.rules.snapshot import rulebooks


@dataclass(slots=True, kw_only=True)
class ChatRuntime:
    """A data plane, and what chat adds to it. Create it with `open`, inside the event loop."""

    plane: DataPlane
    spool: Spool
    providers: Providers
    rulebooks: Snapshot[Mapping[int | None, Rulebook | None]] = field(default_factory=rulebooks)
    catalogue: Snapshot[Catalogue] = field(default_factory=catalogue)
    health_rows: Snapshot[Rows] = field(default_factory=health_rows)
    recent: RecentAnswers[Pump] = field(default_factory=RecentAnswers)
    live: LiveAnswers = field(default_factory=LiveAnswers)
    books: Books = field(init=False)

    def __post_init__(self) -> None:
        self.books = Books(
            owner=self.plane.owner.id,
            writer=self.plane.writer,
            spool=self.spool,
            policies=self.plane.policies,
            catalogue=self.catalogue,
            rates=self.plane.rates,
            ratios=Ratios(),
            known_ends=KnownEnds(),
        )
        self.plane.writer.before_each(self.spool.flush)

    @classmethod
    async def open(cls, plane: DataPlane) -> "ChatRuntime":
        """Open what chat needs besides the plane, and let the plane run and close it."""
        runtime = cls(
            plane=plane,
            spool=Spool(settings.SPOOL_DIR / f"{plane.owner.id}.sqlite3"),
            providers=Providers({name: make(plane.client) for name, make in ADAPTERS.items()}, Health()),
            recent=RecentAnswers(_shared_answers(settings.REDIS_URL) if settings.REDIS_URL else None),
        )
        runtime.spool.start()
        plane.at_drain(runtime.live.drain)
        plane.at_close(runtime.close)
        return runtime

    @property
    def snapshots(self) -> list[Snapshot[Any]]:
        return [self.rulebooks, self.catalogue, self.health_rows]

    def start(self) -> None:
        """Start the background loops. The snapshots must be loaded."""
        run, writer = self.plane.run, self.plane.writer
        self.providers.health.read(self.health_rows.current)
        run(share_for_ever(self.providers.health, self.health_rows, write))
        run(upkeep.sweep_for_ever(writer, owner=self.plane.owner.id, spool=self.spool.path))
        run(self.live.watch_for_ever(writer))
        run(revoked.end_for_ever(self.live, self.plane.principals))
        run(upkeep.forget_answers_for_ever(writer, self.recent))
        run(upkeep.drain_if_nobody_does(self.spool.path))

    async def close(self) -> None:
        await asyncio.to_thread(self.spool.stop)
        await self.recent.close()


def _shared_answers(url: str) -> SharedAnswers:
    from apps.chat.idempotency.recent_in_redis import AnswersInRedis  # Redis' client takes 5 MB, and few need it

    return AnswersInRedis(url)
