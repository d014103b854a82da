"""Metrics of the data plane; django-prometheus keeps those of the control plane. Labels are bounded.

With several web processes, any of them can answer for all: each writes its figures to files in a shared directory.
"""

import os
import shutil
from functools import lru_cache
from pathlib import Path

from prometheus_client import Counter, Histogram
from prometheus_client.multiprocess import mark_process_dead

METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})

REQUESTS = Counter("stoa_requests_total", "Requests to the student API.", ["route", "method", "status"])
SECONDS = Histogram(
    "stoa_request_seconds",
    "Seconds from the request's headers to the last byte of the response.",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300),
)
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
