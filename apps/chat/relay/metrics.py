"""What Prometheus learns of providers. Labels are bounded by what operators declare."""

from datetime import UTC, datetime
from functools import lru_cache

from prometheus_client import Counter, Histogram

FIRST_BYTE = Histogram(
    "stoa_upstream_first_byte_seconds",
    "Seconds until a deployment began to answer.",
    ["provider", "model"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300),
)
SECONDS = Histogram(
    "stoa_upstream_seconds",
    "Seconds of an answer at a deployment, from the request to the last byte.",
    ["provider", "model"],
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600),
)
ATTEMPTS = Counter(
    "stoa_upstream_attempts_total",
    "Attempts at a provider by outcome: answered, ended (by the client or a limit), or the reason of the failure.",
    ["provider", "outcome"],
)
FAILOVERS = Counter("stoa_failovers_total", "Failed attempts after which another one was made.", ["provider"])
RETRIES = Counter("stoa_upstream_retries_total", "Further attempts at a deployment that had failed.", ["provider"])
ADDED = Histogram(
    "stoa_added_seconds",
    "Seconds between a call's arrival and the beginning of its answer that were not spent at providers.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)


def began(*, provider: str, model: str, seconds: float) -> None:
    _attempts(provider, "answered").inc()
    _first_byte(provider, model).observe(seconds)


def failed(*, provider: str, outcome: str) -> None:
    _attempts(provider, outcome).inc()


def ended(*, provider: str, model: str, seconds: float) -> None:
    _seconds(provider, model).observe(seconds)


def added(*, arrived: datetime, at_providers: float) -> None:
    ADDED.observe(max(0.0, (datetime.now(UTC) - arrived).total_seconds() - at_providers))


@lru_cache(maxsize=1024)
def _attempts(provider: str, outcome: str) -> Counter:
    return ATTEMPTS.labels(provider, outcome)


@lru_cache(maxsize=1024)
def _first_byte(provider: str, model: str) -> Histogram:
    return FIRST_BYTE.labels(provider, model)


@lru_cache(maxsize=1024)
def _seconds(provider: str, model: str) -> Histogram:
    return SECONDS.labels(provider, model)
