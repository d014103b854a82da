"""Gauges of a web process, brought up to date once a second."""

import asyncio
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from prometheus_client import Gauge

from apps.chat.runtime import ChatRuntime
from apps.dataplane.plane import DataPlane
from apps.providers.health.census import answering, census
from apps.services.health.census import instances
from apps.services.runtime import ServiceRuntime

LAG = Gauge(
    "stoa_event_loop_lag_seconds",
    "By how much the event loop has been late for the last half second; of several processes, the worst.",
    multiprocess_mode="livemax",
)
WAITING = Gauge("stoa_calls_waiting", "Calls that wait for their turn to start.", multiprocess_mode="livesum")
LIVE = Gauge("stoa_calls_live", "Calls that are being answered.", multiprocess_mode="livesum")
SERVICE_LIVE = Gauge("stoa_service_requests_live", "Requests to services in progress.", multiprocess_mode="livesum")
UNITS = Gauge("stoa_ledger_units_waiting", "Units that wait for the ledger's writer.", multiprocess_mode="livesum")
CONNECTIONS = Gauge(
    "stoa_connections",
    "Connections to providers, services and the database: in use, or waited for.",
    ["pool", "state"],
    multiprocess_mode="livesum",
)
DEPLOYMENTS = Gauge(
    "stoa_deployments",
    "Deployments of a provider: well, cooling, open or probation.",
    ["provider", "state"],
    multiprocess_mode="livemostrecent",
)
CREDENTIALS = Gauge(
    "stoa_credentials",
    "Credentials of a provider: well, cooling or out.",
    ["provider", "state"],
    multiprocess_mode="livemostrecent",
)
ANSWERING = Gauge(
    "stoa_model_deployments_answering",
    "Deployments of a model that calls may go to. 0: nobody is left to answer.",
    ["model"],
    multiprocess_mode="livemostrecent",
)
INSTANCES = Gauge(
    "stoa_service_instances",
    "Instances of a service: well, cooling, open or probation.",
    ["service", "state"],
    multiprocess_mode="livemostrecent",
)
SHOW_SECONDS = 1.0
Counts = Mapping[Any, int]  # by the values of the labels


async def show_for_ever(plane: DataPlane, chat: ChatRuntime, services: ServiceRuntime) -> None:
    """Keep the gauges of this process's data plane up to date."""
    shown: dict[Gauge, Counts] = {}
    while True:
        LAG.set(plane.admission.pressure.lag)
        WAITING.set(plane.admission.waiting)
        LIVE.set(len(chat.live))
        SERVICE_LIVE.set(len(services.live))
        UNITS.set(plane.writer.waiting)
        for gauge, now in _counted(plane, chat, services, now=datetime.now(UTC)).items():
            # A model that is gone has nobody to answer and needs nobody: no number, or its alert would never end.
            _show(gauge, now, shown.get(gauge, {}), gone=math.nan if gauge is ANSWERING else 0)
            shown[gauge] = now
        await asyncio.sleep(SHOW_SECONDS)


def _counted(plane: DataPlane, chat: ChatRuntime, services: ServiceRuntime, *, now: datetime) -> dict[Gauge, Counts]:
    catalogue, health = chat.catalogue.current, chat.providers.health
    deployments, credentials = census(catalogue, health, now)
    return {
        DEPLOYMENTS: deployments,
        CREDENTIALS: credentials,
        ANSWERING: answering(catalogue, health, now),
        INSTANCES: instances(services.registry.current, services.memory.instances, now),
        CONNECTIONS: {
            ("providers", "in use"): plane.client.open_connections(),
            ("providers", "waited for"): plane.client.waiting(),
            ("services", "in use"): services.pools.open_connections(),
            ("services", "waited for"): services.pools.waiting(),
            **_database_connections(),
        },
    }


def _database_connections() -> Counts:
    """Those of Django's pool, which only PostgreSQL has. The ledger's writer has one more of its own."""
    pool: Any = getattr(connection, "_connection_pools", {}).get(connection.alias)
    if pool is None:
        return {}
    stats = pool.get_stats()
    used = stats.get("pool_size", 0) - stats.get("pool_available", 0)
    return {("database", "in use"): used, ("database", "waited for"): stats.get("requests_waiting", 0)}


def _show(gauge: Gauge, now: Counts, before: Counts, *, gone: float) -> None:
    """Set what has changed. A label that is gone stays, as several processes show it."""
    for labels in now.keys() | before.keys():
        if now.get(labels) != before.get(labels):
            gauge.labels(*labels).set(now.get(labels, gone))
