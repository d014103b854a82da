"""The parts of the service gateway in one process. Only composes them."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from apps.common.health.sharing import share_for_ever
from apps.common.revisions import Snapshot
from apps.dataplane import revoked
from apps.dataplane.live import LiveRequests
from apps.dataplane.plane import DataPlane
from apps.services.admitted import AdmittedRequest
from apps.services.attempts import AttemptMemory
from apps.services.health.news import InstanceRows
from apps.services.health.rows import instance_rows, write
from apps.services.identities import Identities
from apps.services.loading import registry
from apps.services.pools import ServicePools
from apps.services.records.keeping import Records
from apps.services.registry import Registry

LOOK_SECONDS = 5.0  # until what belongs to a service that is gone is let go of


@dataclass(slots=True, kw_only=True)
class ServiceRuntime:
    """A data plane, and what services add to it. Create it with `open`, inside the event loop."""

    plane: DataPlane
    registry: Snapshot[Registry] = field(default_factory=registry)
    instance_rows: Snapshot[InstanceRows] = field(default_factory=instance_rows)
    memory: AttemptMemory = field(default_factory=AttemptMemory)
    records: Records = field(default_factory=Records)
    pools: ServicePools = field(default_factory=ServicePools)
    live: LiveRequests[AdmittedRequest] = field(default_factory=LiveRequests)
    identities: Identities = field(default_factory=Identities)

    @classmethod
    async def open(cls, plane: DataPlane) -> "ServiceRuntime":
        runtime = cls(plane=plane)
        plane.at_drain(runtime.live.drain)
        plane.at_close(runtime.pools.close)
        return runtime

    @property
    def snapshots(self) -> list[Snapshot[Any]]:
        return [self.registry, self.instance_rows, self.identities.signers]

    def start(self) -> None:
        """Start the background loops. The snapshots must be loaded."""
        instances = self.memory.instances
        instances.read(self.instance_rows.current)
        self.plane.run(share_for_ever(instances, self.instance_rows, write))
        self.plane.run(revoked.end_for_ever(self.live, self.plane.principals))
        self.plane.run(self.records.write_for_ever())
        self.plane.at_close(self.records.write)
        self.plane.run(self._keep_current())

    async def _keep_current(self) -> None:
        """Let go of deleted services, forever."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            entries = self.registry.current.by_prefix.values()
            self.pools.keep(entries)
            self.memory.keep(entries, self.instance_rows.current)
