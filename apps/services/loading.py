"""Reads the registry from the database, as a snapshot."""

import logging
from collections.abc import Mapping
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import Prefetch

from apps.common.breaker import Window
from apps.common.revisions import Snapshot
from apps.services.models import TOPIC, Instance, Service
from apps.services.registry import (
    BreakerPolicy,
    Connections,
    Endpoint,
    Entry,
    HealthCheck,
    Rates,
    Registry,
    Retries,
    RouteLimit,
    Timeouts,
    Transformation,
)

logger = logging.getLogger(__name__)


def registry() -> Snapshot[Registry]:
    return Snapshot(TOPIC, Loader().load)


class Loader:
    """Reads the registry. A row that cannot be read hides no other service: its last good entry stays in use."""

    def __init__(self) -> None:
        self._last: dict[int, Entry] = {}

    def load(self) -> Registry:
        rows = Service.objects.filter(is_enabled=True).prefetch_related(
            "courses", Prefetch("instances", Instance.objects.order_by("pk"))
        )
        entries = [entry for row in rows if (entry := self._read(row)) is not None]
        self._last = {entry.id: entry for entry in entries}
        return Registry({entry.prefix: entry for entry in entries})

    def _read(self, row: Service) -> Entry | None:
        try:
            return _entry(row)
        except Exception:
            kept = self._last.get(row.pk)
            logger.exception("Service %s cannot be read; %s", row.name, "it stays as it was" if kept else "left out")
            return kept


def _entry(row: Service) -> Entry:
    return Entry(
        id=row.pk,
        name=row.name,
        prefix=row.prefix,
        endpoints=tuple(map(_endpoint, row.instances.all())),
        callers=frozenset(row.callers),
        courses=frozenset(course.pk for course in row.courses.all()),
        cors_origins=frozenset(row.cors_origins),
        sends_identity=row.sends_identity,
        allow_private=row.allow_private_network,
        balancing=row.balancing,
        slow_start=row.slow_start_seconds,
        health=HealthCheck(
            path=row.health_path,
            interval=row.health_interval_seconds,
            timeout=row.health_timeout_seconds,
            statuses=row.health_statuses,
            good=row.health_good,
            bad=row.health_bad,
        ),
        timeouts=Timeouts(
            connect=row.connect_timeout_seconds or settings.CONNECT_TIMEOUT,
            first_byte=row.first_byte_timeout_seconds or settings.REQUEST_TIMEOUT,
            idle=row.idle_timeout_seconds or settings.STALL_TIMEOUT,
            total=row.total_timeout_seconds or settings.REQUEST_TIMEOUT,
        ),
        connections=Connections(
            most=row.max_connections or settings.MAX_CONNECTIONS,
            most_idle=row.max_keepalive_connections or settings.MAX_KEEPALIVE_CONNECTIONS,
            expiry=row.keepalive_expiry_seconds or settings.KEEPALIVE_EXPIRY,
        ),
        max_body_bytes=row.max_body_bytes,
        retries=Retries(
            most=row.retries,
            statuses=frozenset(row.retry_statuses),
            keeps=settings.STREAM_THRESHOLD if row.stream_threshold_bytes is None else row.stream_threshold_bytes,
        ),
        breaker=BreakerPolicy(
            misses=row.breaker_misses,
            window=Window(share=row.breaker_share, at_least=row.breaker_at_least),
            pause=row.breaker_pause_seconds,
            longest=row.breaker_longest_seconds,
        ),
        key_rates=Rates(per_minute=row.requests_per_minute, burst=row.burst),
        user_rates=Rates(per_minute=row.user_requests_per_minute, burst=row.user_burst),
        address_rates=Rates(per_minute=row.address_requests_per_minute, burst=row.address_burst),
        route_limits=tuple(map(_route_limit, row.route_limits)),
        transformation=_transformation(row),
        sample_percent=row.sample_percent,
    )


def _endpoint(row: Instance) -> Endpoint:
    return Endpoint(
        id=row.pk,
        url=row.url,
        path=urlsplit(row.url).path.rstrip("/"),
        weight=row.weight,
        is_draining=row.is_draining,
        force=row.force,
    )


def _route_limit(declared: Mapping[str, object]) -> RouteLimit:
    methods, path = declared.get("methods") or (), declared.get("path") or "/"
    per_minute, burst = declared.get("requests_per_minute"), declared.get("burst")
    return RouteLimit(
        methods=frozenset(str(method).upper() for method in methods),  # type: ignore[attr-defined]
        path=str(path),
        rates=Rates(per_minute=per_minute, burst=burst),  # type: ignore[arg-type]
    )


def _transformation(row: Service) -> Transformation:
    return Transformation(
        strips_prefix=row.strips_prefix,
        rewrites=tuple((rewrite["from"], rewrite["to"]) for rewrite in row.rewrites),
        set_request={name.lower(): value for name, value in row.set_request_headers.items()},
        remove_request=frozenset(map(str.lower, row.remove_request_headers)),
        set_response={name.lower(): value for name, value in row.set_response_headers.items()},
        remove_response=frozenset(map(str.lower, row.remove_response_headers)),
        set_query=row.set_query,
        remove_query=frozenset(row.remove_query),
    )
