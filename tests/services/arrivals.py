"""Requests to a service as plain values, for tests of what is pure."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

from apps.common.tracing import Trace
from apps.services.arrivals import ServiceArrival
from apps.services.registry import Endpoint, Entry
from tests.services.entries import entry

ENDPOINT = Endpoint(id=1, url="http://10.0.0.5:8080", path="")


class NoBody:
    length = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in list[bytes]():
            yield piece


def make_entry(**changes: Any) -> Entry:
    return entry(**{"name": "users", "prefix": "users", "endpoints": (ENDPOINT,), **changes})


def make_arrival(
    *, headers: Sequence[tuple[bytes, bytes]] = (), entry: Entry | None = None, **changes: Any
) -> ServiceArrival:
    usual: dict[str, Any] = {
        "id": "req_1", "method": "GET", "rest": "/a", "query": b"", "body": NoBody(), "principal": None,
        "address": "192.0.2.1", "scheme": "https", "now": datetime(2026, 11, 30, tzinfo=UTC),
        "trace": Trace("0" * 31 + "1"),
    }  # fmt: skip
    return ServiceArrival(headers=headers, entry=entry or make_entry(), **{**usual, **changes})
