"""Percentiles of times that were only counted in buckets. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from apps.services.records.notes import BOUNDS


@dataclass(frozen=True, slots=True)
class Percentiles:
    """In milliseconds, interpolated within their buckets."""

    p50: int
    p95: int
    p99: int


def percentiles(counts: Mapping[int, int]) -> Percentiles | None:
    """Of times counted by bucket. None without any."""
    total = sum(counts.values())
    if not total:
        return None
    return Percentiles(*(_at(counts, total * share / 100) for share in (50, 95, 99)))


def _at(counts: Mapping[int, int], rank: float) -> int:
    below = 0
    for bucket in sorted(counts):
        count = counts[bucket]
        if below + count >= rank:
            low, high = _bounds(bucket)
            return round(low + (high - low) * (rank - below) / count)
        below += count
    raise AssertionError("The rank is within the total.")


def _bounds(bucket: int) -> tuple[int, int]:
    """The last bucket has no upper bound: what is in it counts as its lower one."""
    low = BOUNDS[bucket - 1] if bucket else 0
    return low, BOUNDS[bucket] if bucket < len(BOUNDS) else low
