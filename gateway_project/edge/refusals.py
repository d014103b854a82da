"""Answers of the protocol itself, to requests that no application sees. Each has an id, which the log names too."""

import logging

from prometheus_client import Counter

from apps.common.ids import new_id

logger = logging.getLogger(__name__)

REFUSED = Counter("stoa_edge_refusals_total", "Requests that the server refused by itself, by status.", ["status"])
BAD_REQUEST = "400 Bad Request"
TOO_LONG = "414 URI Too Long"
TOO_LARGE = "431 Request Header Fields Too Large"
UNAVAILABLE = "503 Service Unavailable"


def refusal(status: str, message: str = "", *headers: str) -> bytes:
    request_id = new_id()
    REFUSED.labels(status[:3]).inc()
    logger.info("Request %s was refused: %s", request_id, status)
    lines = (
        f"HTTP/1.1 {status}",
        "content-type: text/plain; charset=utf-8",
        f"content-length: {len(message)}",
        "connection: close",
        "cache-control: no-store",
        "x-content-type-options: nosniff",
        f"x-request-id: {request_id}",
        *headers,
    )
    return "\r\n".join((*lines, "", message)).encode()


def too_many() -> bytes:
    return refusal(UNAVAILABLE, "Too many connections. Try again in a moment.", "retry-after: 2")
