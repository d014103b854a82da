"""Metrics of the data plane; django-prometheus keeps those of the control plane. Labels are bounded.

With several web processes, any of them can answer for all: each writes its figures to files in a shared directory.
"""

import asyncio
import os
import shutil
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.multiprocess import mark_process_dead

if TYPE_CHECKING:  # not imported in the supervisor
    from apps.chat.runtime import ChatRuntime
    from apps.dataplane.plane import DataPlane
    from apps.providers.health.census import Census

METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})

REQUESTS = Counter("stoa_requests_total", "Requests to the student API.", ["route", "method", "status"])
SECONDS = Histogram(
    "stoa_request_seconds",
    "Seconds from the request's headers to the last byte of the response.",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300),
)
LAG = Gauge(
    "stoa_event_loop_lag_seconds",
    "By how much the event loop has been late for the last half second; of several processes, the worst.",
    multiprocess_mode="livemax",
)
WAITING = Gauge("stoa_calls_waiting", "Calls that wait for their turn to start.", multiprocess_mode="livesum")
LIVE = Gauge("stoa_calls_live", "Calls that are being answered.", multiprocess_mode="livesum")
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

SHOW_SECONDS = 1.0
_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"  # read by prometheus_client and django-prometheus


def share(directory: Path) -> None:
    """Let all processes started from now on share their figures in `directory`, and delete those of the last run."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o700, parents=True)
    os.environ[_DIRECTORY] = str(directory)


def forget(process: int) -> None:
    """Drop the gauges of a process that has ended. Its counters stay."""
    if _DIRECTORY in os.environ:
        mark_process_dead(process)  # type: ignore[no-untyped-call]


async def show_for_ever(plane: "DataPlane", chat: "ChatRuntime") -> None:
    """Keep the gauges of this process's data plane up to date."""
    from apps.providers.health.census import census

    shown: tuple[Census, Census] = {}, {}
    while True:
        LAG.set(plane.admission.pressure.lag)
        WAITING.set(plane.admission.waiting)
        LIVE.set(len(chat.live))
        found = census(chat.catalogue.current, chat.providers.health, datetime.now(UTC))
        for gauge, now, before in zip((DEPLOYMENTS, CREDENTIALS), found, shown, strict=True):
            _show(gauge, now, before)
        shown = found
        await asyncio.sleep(SHOW_SECONDS)


def _show(gauge: Gauge, now: "Census", before: "Census") -> None:
    """Set what has changed; what is gone is 0."""
    for labels in now.keys() | before.keys():
        if now.get(labels) != before.get(labels):
            gauge.labels(*labels).set(now.get(labels, 0))


def observe(*, route: str, method: str, status: int, seconds: float) -> None:
    """Count a request. Status 499 means that the client disconnected."""
    _requests(route, method if method in METHODS else "other", status).inc()
    _seconds(route).observe(seconds)


@lru_cache(maxsize=1024)
def _requests(route: str, method: str, status: int) -> Counter:
    return REQUESTS.labels(route, method, str(status))


@lru_cache(maxsize=256)
def _seconds(route: str) -> Histogram:
    return SECONDS.labels(route)
