"""The snapshot of services: what a request needs to know of them, ready to be looked up by its path. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from apps.common.breaker import Window

LONGEST_PREFIX = 3  # in segments


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One instance: its address without a slash at the end, and the path in it."""

    id: int
    url: str
    path: str
    weight: int = 1
    is_draining: bool = False
    force: str = ""  # or "up", "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Requests a minute, and within one second; None is no limit."""

    per_minute: int | None = None
    burst: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteLimit:
    """A limit of all callers together for these methods (none: all) and paths that begin so, behind the prefix."""

    methods: frozenset[str]
    path: str
    rates: Rates


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    most: int = 2
    statuses: frozenset[int] = frozenset({502, 503, 504})
    keeps: int = 65536  # bytes of a body, so that it can be sent again


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    misses: int = 5
    window: Window = field(default_factory=Window)
    pause: float = 10.0
    longest: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """In seconds."""

    connect: float
    first_byte: float
    idle: float
    total: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    """Of each web process to one service."""

    most: int
    most_idle: int
    expiry: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Transformation:
    """What Stoa changes of a request and its answer. Header names are in lower case."""

    strips_prefix: bool = True
    rewrites: tuple[tuple[str, str], ...] = ()
    set_request: Mapping[str, str] = field(default_factory=dict)
    remove_request: frozenset[str] = frozenset()
    set_response: Mapping[str, str] = field(default_factory=dict)
    remove_response: frozenset[str] = frozenset()
    set_query: Mapping[str, str] = field(default_factory=dict)
    remove_query: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    path: str  # "" asks nothing
    interval: float = 10.0
    timeout: float = 2.0
    statuses: str = "200-299"
    good: int = 2
    bad: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A service as the data plane sees it."""

    id: int
    name: str
    prefix: str
    endpoints: tuple[Endpoint, ...]
    callers: frozenset[str]
    courses: frozenset[int]  # empty: all
    cors_origins: frozenset[str]
    sends_identity: bool
    allow_private: bool
    balancing: str
    slow_start: float
    health: HealthCheck
    timeouts: Timeouts
    connections: Connections
    max_body_bytes: int
    retries: Retries
    breaker: BreakerPolicy
    key_rates: Rates
    user_rates: Rates
    address_rates: Rates
    route_limits: tuple[RouteLimit, ...]
    transformation: Transformation
    sample_percent: int


@dataclass(frozen=True, slots=True)
class Registry:
    by_prefix: Mapping[str, Entry]

    def find(self, path: str) -> tuple[Entry, str] | None:
        """The service to which a path behind /svc belongs, and the rest of the path, which begins with a slash or is
        empty. The longest prefix counts."""
        segments = path.removeprefix("/").split("/", LONGEST_PREFIX)
        for number in range(min(LONGEST_PREFIX, len(segments)), 0, -1):
            prefix = "/".join(segments[:number])
            if (entry := self.by_prefix.get(prefix)) is not None:
                return entry, path[len(prefix) + 1 :]
        return None
