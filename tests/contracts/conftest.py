"""The implementations that keep one contract each."""

from collections.abc import Iterator

import pytest

from apps.quotas.rates_memory import MemoryRateLimits
from tests.contracts.rates import Clock, Limiter


@pytest.fixture(params=["memory"])
def limiter(request: pytest.FixtureRequest) -> Iterator[Limiter]:
    clock = Clock()
    yield Limiter(limits=MemoryRateLimits(clock=clock), clock=clock)
