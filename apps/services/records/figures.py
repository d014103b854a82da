"""How services and their instances did in the last hour, from the counts. Reads one range of an index a service."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Sum

from apps.services.models import ServiceCount
from apps.services.outcomes import TROUBLE, RequestOutcome
from apps.services.records.percentiles import Percentiles, percentiles

MINUTES: Final = 60
_TIMED: Final = frozenset(
    {RequestOutcome.ANSWERED, RequestOutcome.DECLINED, RequestOutcome.ERROR, RequestOutcome.BROKEN}
)
Row = tuple[int, int, datetime, str, int, int, int, int]


@dataclass(slots=True)
class Figures:
    """Of one service, or of one of its instances. Times are those to the first byte of answers."""

    outcomes: Counter[str] = field(default_factory=Counter)
    buckets: Counter[int] = field(default_factory=Counter)
    minutes: defaultdict[datetime, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    bytes_in: int = 0
    bytes_out: int = 0

    @property
    def requests(self) -> int:
        """Those that were refused never became one of the service's."""
        return self.outcomes.total() - self.refused

    @property
    def refused(self) -> int:
        return self.outcomes[RequestOutcome.REFUSED]

    @property
    def trouble(self) -> int:
        return sum(self.outcomes[outcome] for outcome in TROUBLE)

    @property
    def times(self) -> Percentiles | None:
        return percentiles(self.buckets)

    def add(self, minute: datetime, outcome: str, bucket: int, requests: int, bytes_in: int, bytes_out: int) -> None:
        self.outcomes[outcome] += requests
        self.minutes[minute][series_of(outcome)] += requests
        self.bytes_in += bytes_in
        self.bytes_out += bytes_out
        if outcome in _TIMED:
            self.buckets[bucket] += requests


# What the bars of a chart are called
SERIES: Final = ("answered", "declined", "refused", "failed")


def series_of(outcome: str) -> str:
    if outcome in TROUBLE:
        return "failed"
    return outcome if outcome in SERIES else "declined"


@dataclass(frozen=True, slots=True)
class LastHour:
    services: Mapping[int, Figures]
    instances: Mapping[int, Figures]


def of_last_hour(services: Collection[int], *, now: datetime) -> LastHour:
    since = now.replace(second=0, microsecond=0) - timedelta(minutes=MINUTES - 1)
    counts = ServiceCount.objects.filter(service__in=services, minute__gte=since).order_by()
    grouped = counts.values_list("service", "instance", "minute", "outcome", "bucket")
    return summed(grouped.annotate(Sum("requests"), Sum("bytes_in"), Sum("bytes_out")))


def summed(rows: Iterable[Row]) -> LastHour:
    services: defaultdict[int, Figures] = defaultdict(Figures)
    instances: defaultdict[int, Figures] = defaultdict(Figures)
    for service, instance, minute, outcome, bucket, requests, bytes_in, bytes_out in rows:
        for figures in (services[service], instances[instance]):
            figures.add(minute, outcome, bucket, requests, bytes_in, bytes_out)
    return LastHour(services, instances)
