"""The schema of services in a configuration file."""

from typing import Annotated

from apps.services.models import Instance
from apps.services.models.fields import Balancing
from gateway_project.apply.fields import (
    Count,
    CountOrNone,
    Flag,
    Headers,
    Name,
    Rewrites,
    Share,
    ShortSeconds,
    ShortSecondsOrNone,
    Text,
    TextOrNone,
    Tokens,
    TokensOrNone,
    choice,
)
from gateway_project.apply.section import OMITTED, FileSection


class InstanceSection(FileSection):
    url: Name
    weight: Count = OMITTED
    draining: Flag = OMITTED
    force: Annotated[str, choice(Instance.Force, or_null=True)] = OMITTED


class HealthCheckSection(FileSection):
    path: TextOrNone = OMITTED
    interval_seconds: ShortSeconds = OMITTED
    timeout_seconds: ShortSeconds = OMITTED
    statuses: Text = OMITTED
    good: Count = OMITTED
    bad: Count = OMITTED


class RetrySection(FileSection):
    most: Tokens = OMITTED
    statuses: list[Count] = OMITTED


class BreakerSection(FileSection):
    misses: Count = OMITTED
    share: Share = OMITTED
    at_least: Count = OMITTED
    pause_seconds: ShortSeconds = OMITTED
    longest_seconds: ShortSeconds = OMITTED


class RouteLimitSection(FileSection):
    methods: list[Name] = OMITTED
    path: Name = OMITTED
    requests_per_minute: CountOrNone = OMITTED
    burst: CountOrNone = OMITTED


class ServiceSection(FileSection):
    name: Name
    prefix: Name = OMITTED
    owner: Text = OMITTED
    version: Text = OMITTED
    tags: list[Name] = OMITTED
    documentation: Text = OMITTED
    enabled: Flag = OMITTED
    callers: list[Name] = OMITTED
    courses: list[Name] = OMITTED
    cors_origins: list[Name] = OMITTED
    sends_identity: Flag = OMITTED
    allow_private_network: Flag = OMITTED
    balancing: Annotated[str, choice(Balancing)] = OMITTED
    slow_start_seconds: ShortSeconds = OMITTED
    instances: list[InstanceSection] = OMITTED
    health_check: HealthCheckSection = OMITTED
    connect_timeout_seconds: ShortSecondsOrNone = OMITTED
    first_byte_timeout_seconds: ShortSecondsOrNone = OMITTED
    idle_timeout_seconds: ShortSecondsOrNone = OMITTED
    total_timeout_seconds: ShortSecondsOrNone = OMITTED
    max_connections: CountOrNone = OMITTED
    max_keepalive_connections: CountOrNone = OMITTED
    keepalive_expiry_seconds: ShortSecondsOrNone = OMITTED
    max_body_bytes: Tokens = OMITTED
    stream_threshold_bytes: TokensOrNone = OMITTED
    retry: RetrySection = OMITTED
    breaker: BreakerSection = OMITTED
    requests_per_minute: CountOrNone = OMITTED
    burst: CountOrNone = OMITTED
    user_requests_per_minute: CountOrNone = OMITTED
    user_burst: CountOrNone = OMITTED
    address_requests_per_minute: CountOrNone = OMITTED
    address_burst: CountOrNone = OMITTED
    route_limits: list[RouteLimitSection] = OMITTED
    strips_prefix: Flag = OMITTED
    rewrites: Rewrites = OMITTED
    set_request_headers: Headers = OMITTED
    remove_request_headers: list[Name] = OMITTED
    set_response_headers: Headers = OMITTED
    remove_response_headers: list[Name] = OMITTED
    set_query: Headers = OMITTED
    remove_query: list[Name] = OMITTED
    sample_percent: Tokens = OMITTED
