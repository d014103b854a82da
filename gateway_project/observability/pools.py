"""Says in the log, once a minute, how many connections and places are taken; as a warning while somebody waits."""

import asyncio
import logging
from typing import Any, NamedTuple

from django.db import connection

from apps.chat.runtime import ChatRuntime
from apps.dataplane.plane import DataPlane
from apps.services.runtime import ServiceRuntime

logger = logging.getLogger(__name__)

EVERY_SECONDS = 60.0


class PoolUse(NamedTuple):
    name: str
    used: int
    waiting: int = 0

    def __str__(self) -> str:
        return f"{self.name} {self.used}" + (f" ({self.waiting} wait)" if self.waiting else "")


async def tell_for_ever(plane: DataPlane, chat: ChatRuntime, services: ServiceRuntime) -> None:
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        tell([*_of_process(plane, chat, services), *_of_database()])


def tell(pools: list[PoolUse]) -> None:
    level = logging.WARNING if any(pool.waiting for pool in pools) else logging.INFO
    logger.log(level, "In use: %s", ", ".join(map(str, pools)))


def _of_process(plane: DataPlane, chat: ChatRuntime, services: ServiceRuntime) -> list[PoolUse]:
    return [
        PoolUse("calls", len(chat.live), plane.admission.waiting),
        PoolUse("requests to services", len(services.live)),
        PoolUse("connections to providers", plane.client.open_connections(), plane.client.waiting()),
        PoolUse("connections to services", services.pools.open_connections(), services.pools.waiting()),
    ]


def _of_database() -> list[PoolUse]:
    """Those of Django's pool, which only PostgreSQL has. The ledger's writer has one more of its own."""
    pool: Any = getattr(connection, "_connection_pools", {}).get(connection.alias)
    if pool is None:
        return []
    stats = pool.get_stats()
    used = stats.get("pool_size", 0) - stats.get("pool_available", 0)
    return [PoolUse("connections to the database", used, stats.get("requests_waiting", 0))]
