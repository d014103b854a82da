"""A service of several instances as values, without a database."""

from datetime import UTC, datetime
from typing import Any

from apps.services.registry import Connections, Endpoint, Entry, Timeouts
from tests.services import entries

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
USUAL = {
    "timeouts": Timeouts(connect=1.0, first_byte=5.0, idle=5.0, total=10.0),
    "connections": Connections(most=10, most_idle=5, expiry=30.0),
}


def endpoint(id: int, **overrides: Any) -> Endpoint:
    return Endpoint(**{"id": id, "url": f"http://127.0.0.1:{id}", "path": "", **overrides})


def entry(*endpoints: Endpoint, **overrides: Any) -> Entry:
    return entries.entry(endpoints=endpoints, **{**USUAL, **overrides})
