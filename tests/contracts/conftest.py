"""The implementations that keep one contract each."""

import os
from collections.abc import AsyncIterator, Iterator

import pytest

from apps.common.ids import new_id
from apps.quotas.rate_limits.limits import Scope
from apps.quotas.rate_limits.memory import MemoryRateLimits
from apps.quotas.rate_limits.redis import RedisCounts
from apps.quotas.rate_limits.shared import SharedRateLimits
from tests.contracts.rates import Clock, Limiter
from tests.live import PATIENCE
from tests.servers import Redis


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Redis that nobody stops: the one that the environment names, or one of our own."""
    if url := os.environ.get("REDIS_URL"):
        yield url
        return
    with Redis() as server:
        yield server.url()


@pytest.fixture(params=["memory", "redis"])
async def limiter(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[Limiter]:
    clock = Clock()
    if request.param == "memory":
        memory = MemoryRateLimits(clock=clock)

        async def kept(scope: Scope) -> int:
            return len(memory._logs[scope[:3]])

        yield Limiter(limits=memory, entries=kept, clock=clock)
        return
    counts = RedisCounts(redis_url, prefix=f"stoa:test:{new_id()}", clock=clock, patience=PATIENCE)
    shared = SharedRateLimits(counts, MemoryRateLimits(clock=clock), processes=1, budget=PATIENCE)

    async def kept_by_redis(scope: Scope) -> int:
        return int(await counts._redis.zcard(counts._key(scope, scope.unit)))

    yield Limiter(limits=shared, entries=kept_by_redis, clock=clock, sync=shared.keep)
    assert not shared.is_local
    await shared.close()
