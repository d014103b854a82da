"""Database, migrations, Redis, Celery's broker, and the clock that several machines must agree on."""

import pkgutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from importlib import import_module

from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from apps.quotas.models import Hold
from gateway_project.health import process
from gateway_project.health.states import Diagnosis, degraded, down, healthy

PATIENCE = 0.4  # seconds for Redis and the broker, each time
MOST_OFF = 2.0  # seconds between our clock and another
MOST_STEP = 5.0  # seconds by which the clock was set while the process ran


def database() -> Diagnosis:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM common_revision LIMIT 1")
    held = Hold.objects.filter(state=Hold.State.HELD).count()
    return healthy(f"{connection.vendor} answers.", holds_open=held)


def migrations() -> Diagnosis:
    """Compares names only, because loading the migrations would take a second and megabytes."""
    missing = sorted(_on_disk() - set(MigrationRecorder(connection).applied_migrations()))
    if not missing:
        return healthy("All are applied.")
    app, name = missing[0]
    more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    return down(f"{app}.{name}{more} not applied. Run: manage.py migrate")


@cache
def _on_disk() -> set[tuple[str, str]]:
    return {(config.label, name) for config in apps.get_app_configs() for name in _names(f"{config.name}.migrations")}


def _names(package: str) -> Iterator[str]:
    try:
        paths = import_module(package).__path__
    except ImportError:
        return
    yield from (one.name for one in pkgutil.iter_modules(paths) if one.name[0] not in "_~")


def redis() -> Diagnosis:
    """The breaker of the rate limits counts as well: while it is open, each process counts by itself."""
    if not settings.REDIS_URL:
        return healthy("Not used.")
    from redis import Redis
    from redis.exceptions import RedisError

    away = "Rate limits are counted by each process alone until it is back"
    try:
        with Redis.from_url(settings.REDIS_URL, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE) as client:
            client.ping()
    except (RedisError, OSError) as error:
        return down(f"It does not answer ({type(error).__name__}). {away}.")
    if process.limits_are_local():
        return degraded(f"It answers too slowly. {away}.")
    return healthy("It answers.")


def broker() -> Diagnosis:
    if settings.CELERY_BROKER_URL.startswith("memory:"):
        return healthy("In the worker's memory.")
    from gateway_project.celery import app

    with app.connection_for_write(connect_timeout=PATIENCE) as link:
        try:
            link.ensure_connection(max_retries=1, interval_start=0, timeout=PATIENCE)
        except (OSError, *link.connection_errors) as error:
            return down(f"It does not answer ({type(error).__name__}). Background work waits.")
    return healthy("It answers.")


def clock() -> Diagnosis:
    """Weeks, tokens and records go by this clock. Another one to compare with is that of PostgreSQL."""
    if abs(step := process.clock_step()) > MOST_STEP:
        return degraded(f"It was set by {step:+.0f} seconds while this process ran. Restart Stoa if it is right now.")
    other = _other_clock()
    if other is None:
        return healthy("No other clock to compare with.")
    name, off = other
    if abs(off) > MOST_OFF:
        return degraded(f"It is {off:+.1f} seconds off that of {name}. Check NTP on both machines.", clock_offset=off)
    return healthy(f"It agrees with {name}.", clock_offset=off)


def _other_clock() -> tuple[str, float] | None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            before = time.monotonic()
            cursor.execute("SELECT clock_timestamp()")
            there: datetime = cursor.fetchone()[0]
            return "the database", _off((datetime.now(UTC) - there).total_seconds(), time.monotonic() - before)
    return None


def _off(seconds: float, took: float) -> float:
    """Without what asking may have added."""
    return max(0.0, seconds - took) if seconds > 0 else seconds
