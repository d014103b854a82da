"""Metrics of the data plane, beside those that django-prometheus keeps of the control plane. Labels are bounded."""

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

if TYPE_CHECKING:
    from apps.chat.plane import Plane

_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})

REQUESTS = Counter("stoa_requests_total", "Requests to the student API.", ["route", "method", "status"])
SECONDS = Histogram(
    "stoa_request_seconds",
    "Seconds from the request's headers to the last byte of the response.",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300),
)
LAG = Gauge("stoa_event_loop_lag_seconds", "By how much the event loop has been late for the last half second.")
WAITING = Gauge("stoa_calls_waiting", "Calls that wait for their turn to start.")


def watch(plane: "Plane") -> None:
    """Show how this process's data plane stands whenever somebody looks."""
    LAG.set_function(lambda: plane.admission.pressure.lag)
    WAITING.set_function(lambda: plane.admission.waiting)


def observe(*, route: str, method: str, status: int, seconds: float) -> None:
    """Count a request. Status 499 is a client that left."""
    REQUESTS.labels(route, method if method in _METHODS else "other", str(status)).inc()
    SECONDS.labels(route).observe(seconds)
