"""What Prometheus learns of services. Labels are bounded by what operators declare."""

from functools import lru_cache

from prometheus_client import Counter, Histogram

from apps.services.records.notes import RequestNote

REQUESTS = Counter(
    "stoa_service_requests_total",
    "Requests to a service by outcome: answered, declined (4xx), error (5xx), broken, failed, refused or left.",
    ["service", "outcome"],
)
SECONDS = Histogram(
    "stoa_service_first_byte_seconds",
    "Seconds until a service began to answer, retries included.",
    ["service"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
RETRIES = Counter("stoa_service_retries_total", "Further attempts of requests to a service.", ["service"])
BYTES = Counter(
    "stoa_service_bytes_total", "Bytes of bodies, in (of requests) or out (of answers).", ["service", "direction"]
)
LEFT_OUT = Counter(
    "stoa_service_records_left_out_total",
    "Requests that were counted but left no row, beyond what is written in a second.",
)


def observe(note: RequestNote) -> None:
    name = note.service_name
    _requests(name, note.outcome.value).inc()
    if note.first_byte_ms is not None:
        _seconds(name).observe(note.first_byte_ms / 1000)
    if note.attempts > 1:
        RETRIES.labels(name).inc(note.attempts - 1)
    if note.bytes_in:
        _bytes(name, "in").inc(note.bytes_in)
    if note.bytes_out:
        _bytes(name, "out").inc(note.bytes_out)


@lru_cache(maxsize=1024)
def _requests(name: str, outcome: str) -> Counter:
    return REQUESTS.labels(name, outcome)


@lru_cache(maxsize=256)
def _seconds(name: str) -> Histogram:
    return SECONDS.labels(name)


@lru_cache(maxsize=512)
def _bytes(name: str, direction: str) -> Counter:
    return BYTES.labels(name, direction)
