"""Connections to services: each has a client with limits of its own, so that a slow one takes none of another's."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings

from apps.common.clients import RelayClient, RelayLimits
from apps.services.registry import Entry


@dataclass(slots=True)
class _Kept:
    entry: Entry
    limits: RelayLimits
    client: RelayClient


class ServicePools:
    """Create it inside the event loop."""

    def __init__(self) -> None:
        self._kept: dict[int, _Kept] = {}
        self._retired: list[RelayClient] = []

    def of(self, entry: Entry) -> RelayClient:
        """The client of this service. It is replaced when the limits have changed; what the old one is relaying goes
        on."""
        kept = self._kept.get(entry.id)
        if kept is not None and kept.entry is entry:
            return kept.client
        limits = _limits(entry)
        if kept is not None and kept.limits == limits:
            kept.entry = entry
            return kept.client
        if kept is not None:
            self._retire(kept.client)
        client = RelayClient(limits)
        self._kept[entry.id] = _Kept(entry, limits, client)
        return client

    def keep(self, entries: Iterable[Entry]) -> None:
        """Let go of all other services. Their open exchanges go on until they end."""
        gone = self._kept.keys() - {entry.id for entry in entries}
        for id in gone:
            self._retire(self._kept.pop(id).client)
        self._retired = [client for client in self._retired if client.open_connections()]

    def open_connections(self) -> int:
        """The number of connections in use."""
        return sum(client.open_connections() for client in self._clients())

    def waiting(self) -> int:
        """The number of requests that wait for a connection."""
        return sum(client.waiting() for client in self._clients())

    async def close(self) -> None:
        """Close all connections, including those in use."""
        await asyncio.gather(*(client.close() for client in self._clients()))

    def _retire(self, client: RelayClient) -> None:
        client.retire()
        self._retired.append(client)

    def _clients(self) -> list[RelayClient]:
        return [*(kept.client for kept in self._kept.values()), *self._retired]


def _limits(entry: Entry) -> RelayLimits:
    return RelayLimits(
        connect_timeout=entry.timeouts.connect,
        pool_timeout=settings.POOL_TIMEOUT,
        keepalive_expiry=entry.connections.expiry,
        max_connections=entry.connections.most,
        max_idle=entry.connections.most_idle,
    )
