"""Which limits a process counts by: its own, or those that all processes share through Redis."""

from apps.quotas.rate_limits.limits import RateLimits
from apps.quotas.rate_limits.memory import MemoryRateLimits


async def open_rate_limits(*, redis_url: str, budget: float, processes: int) -> RateLimits:
    """The limits of this process: shared by all if there is a Redis, else one part of so many."""
    if not redis_url:
        return MemoryRateLimits(processes=processes)
    from apps.quotas.rate_limits.redis import SOCKET_SECONDS, RedisCounts  # Redis' client is 5 MB that few need
    from apps.quotas.rate_limits.shared import SharedRateLimits

    counts = RedisCounts(redis_url, patience=max(budget, SOCKET_SECONDS))
    limits = SharedRateLimits(counts, MemoryRateLimits(), processes=processes, budget=budget)
    await limits.open()
    return limits
