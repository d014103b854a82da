"""Limits of requests over two web processes: exact with Redis, each its part without."""

import pytest

from tests.chat.processes import both, knows, only, post
from tests.chat.world import create_world, wait_until
from tests.live import Gateway, models_on
from tests.provider_stub import ProviderStub

pytestmark = [pytest.mark.timeout(180), pytest.mark.usefixtures("committed_db")]


def admitted_by_each(gateway: Gateway, stub: ProviderStub, *, limit: int, times: int) -> list[int]:
    """How many of so many requests one process admits after the other."""
    policy = {"student_requests_per_minute": limit}
    with models_on(gateway.data_dir), create_world(gateway, stub, policy=policy) as world:
        counts = []
        for pid in both(gateway):
            with only(pid, gateway):
                wait_until(lambda: knows(world), what="The process' notice of the world")
                counts.append(sum(post(world).status_code == 200 for _ in range(times)))
        return counts


def test_with_redis_a_limit_is_exact_over_all_processes(two_with_redis: Gateway, plain_stub: ProviderStub) -> None:
    assert admitted_by_each(two_with_redis, plain_stub, limit=20, times=14) == [14, 6]


def test_without_redis_each_process_admits_its_part_and_that_is_said(
    two_processes: Gateway, plain_stub: ProviderStub
) -> None:
    assert admitted_by_each(two_processes, plain_stub, limit=9, times=8) == [5, 5]
    assert two_processes.log.read_text().count("Set REDIS_URL") == 1
