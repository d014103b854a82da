"""Which limits a process counts by: its own, or those that all processes share by way of Redis."""

from typing import Protocol

from apps.quotas.rate_limits.memory import MemoryRateLimits
from apps.quotas.rate_limits.requests import RateLimits
from apps.quotas.rate_limits.tokens import TokenLimits


class Limits(RateLimits, TokenLimits, Protocol):
    """Of requests and of tokens."""


async def open_rate_limits(*, redis_url: str, budget: float, processes: int) -> Limits:
    """The limits of this process: shared by all if there is a Redis, else one part of so many."""
    if not redis_url:
        return MemoryRateLimits(processes=processes)
    from apps.quotas.rate_limits.shared import open_shared_rate_limits  # Redis' client is 5 MB that few need

    return await open_shared_rate_limits(redis_url=redis_url, budget=budget, processes=processes)
