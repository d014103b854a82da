"""Services and callers as the data plane sees them, for tests that need no database."""

from typing import Any

from apps.accounts.principals import Principal
from apps.common.breaker import Window
from apps.services.registry import (
    BreakerPolicy,
    Connections,
    Entry,
    HealthCheck,
    Rates,
    Retries,
    Timeouts,
    Transformation,
)


def entry(**overrides: Any) -> Entry:
    settings: dict[str, Any] = {
        "id": 7,
        "name": "library",
        "prefix": "library",
        "endpoints": (),
        "callers": frozenset({"student", "staff"}),
        "courses": frozenset(),
        "cors_origins": frozenset(),
        "sends_identity": True,
        "allow_private": True,
        "balancing": "weighted",
        "slow_start": 30.0,
        "health": HealthCheck(path=""),
        "timeouts": Timeouts(connect=1, first_byte=1, idle=1, total=1),
        "connections": Connections(most=1, most_idle=1, expiry=1),
        "max_body_bytes": 1000,
        "retries": Retries(),
        "breaker": BreakerPolicy(window=Window()),
        "key_rates": Rates(),
        "user_rates": Rates(),
        "address_rates": Rates(),
        "route_limits": (),
        "transformation": Transformation(),
        "sample_percent": 100,
    }
    return Entry(**settings | overrides)


def caller(**overrides: Any) -> Principal:
    settings: dict[str, Any] = {
        "key_id": 3,
        "membership_id": 5,
        "course_id": 2,
        "course_slug": "physics",
        "role": "student",
        "expires_at": None,
        "is_open": True,
        "logging": "full",
        "timezone": "UTC",
        "first_day": 0,
    }
    return Principal(**settings | overrides)
