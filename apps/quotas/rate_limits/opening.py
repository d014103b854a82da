"""Chooses the rate limits of a process: its own, or those that all processes share through Redis."""

from apps.quotas.rate_limits.limits import RateLimits
from apps.quotas.rate_limits.memory import MemoryRateLimits


async def open_rate_limits(*, redis_url: str, budget: float, processes: int) -> RateLimits:
    """Rate limits shared by all processes if there is a Redis, else one process's share."""
    if not redis_url:
        return MemoryRateLimits(processes=processes)
    from apps.quotas.rate_limits.redis import SOCKET_SECONDS, RedisCounts  # Redis's client is 5 MB that few need
    from apps.quotas.rate_limits.shared import SharedRateLimits

    counts = RedisCounts(redis_url, patience=max(budget, SOCKET_SECONDS))
    limits = SharedRateLimits(counts, MemoryRateLimits(), processes=processes, budget=budget)
    await limits.open()
    return limits
