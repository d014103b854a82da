"""Limits that processes share while Redis answers, and what holds while it does not: a real one, stopped and frozen."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack

import pytest

from apps.common.ids import new_id
from apps.quotas.rate_limits.limits import Scope
from apps.quotas.rate_limits.memory import MemoryRateLimits
from apps.quotas.rate_limits.opening import open_rate_limits
from apps.quotas.rate_limits.redis import RedisCounts
from apps.quotas.rate_limits.shared import LOCAL, SharedRateLimits
from tests.contracts.rates import course, fresh_id, student
from tests.live import PATIENCE
from tests.quotas.sharing import BUDGET, ask, asked_until_local, often, tokens_of_student, until, until_admitted
from tests.servers import Redis

Opened = Callable[..., Awaitable[SharedRateLimits]]


@pytest.fixture(scope="module")
def server() -> Iterator[Redis]:
    with Redis() as server:
        yield server


@pytest.fixture
def redis(server: Redis) -> Iterator[Redis]:
    """One that may be stopped and frozen; it runs again afterwards."""
    yield server
    server.kill()
    server.start()


@pytest.fixture
async def opened(redis: Redis) -> AsyncIterator[Opened]:
    """Makes limits as a web process has them, one of four. Their budget allows for a machine that is busy."""
    async with AsyncExitStack() as stack:

        async def make(processes: int = 4) -> SharedRateLimits:
            counts = RedisCounts(redis.url(), patience=BUDGET)
            limits = SharedRateLimits(counts, MemoryRateLimits(), processes=processes, budget=BUDGET)
            stack.push_async_callback(limits.close)
            await limits.open()
            return limits

        yield make


async def test_who_leaves_one_process_makes_room_in_the_other(opened: Opened) -> None:
    here, there, ada = await opened(), await opened(), student(None, 1)
    first = await ask(here, ada)
    assert first is not None and await ask(there, ada) is None

    here.release(first)

    assert await until_admitted(there, ada)


async def test_a_redis_that_is_away_from_the_start_leaves_each_process_its_part(opened: Opened, redis: Redis) -> None:
    redis.stop()

    limits = await opened()

    assert limits.is_local
    assert await often(limits, student(10), times=20) == 3  # a quarter of ten
    assert await often(limits, student(None, 1), times=5) == 1  # at least one
    assert LOCAL._value.get() == 1


@pytest.mark.parametrize("fault", ["stopped", "frozen"])
async def test_without_redis_each_process_has_its_part_and_nobody_waits(
    opened: Opened, redis: Redis, fault: str
) -> None:
    limits = await opened()

    (redis.stop if fault == "stopped" else redis.freeze)()
    await asked_until_local(limits)
    started = time.monotonic()
    admitted = await often(limits, student(10, 100), course(10), times=1000)
    calls = await often(limits, tokens_of_student(), times=1000, amount=100)

    assert (admitted, calls) == (3, 2)
    assert time.monotonic() - started < PATIENCE / 2  # a thousand budgets would take longer


async def test_a_limit_does_not_start_anew_when_redis_goes(opened: Opened, redis: Redis) -> None:
    limits, ada, tokens = await opened(), student(10), tokens_of_student()
    assert await often(limits, ada, times=3) == 3
    first = await ask(limits, tokens, amount=800)
    assert first is not None

    redis.stop()
    await asked_until_local(limits)
    before = await ask(limits, tokens, amount=50)
    await limits.correct((tokens,), id=first, amount=200)

    assert await ask(limits, ada) is None
    assert before is None
    assert await ask(limits, tokens, amount=50)


@pytest.mark.parametrize("fault", ["stopped", "frozen"])
async def test_it_recovers_by_itself(opened: Opened, redis: Redis, fault: str) -> None:
    limits, other = await opened(), await opened()
    (redis.stop if fault == "stopped" else redis.freeze)()
    await asked_until_local(limits)
    await asked_until_local(other)

    await asyncio.to_thread(redis.start if fault == "stopped" else redis.resume)
    await until(lambda: not limits.is_local and not other.is_local)

    ada = student(10)
    assert await often(limits, ada, times=4) + await often(other, ada, times=10) == 10
    assert LOCAL._value.get() == 0


async def test_requests_that_stayed_open_hold_their_places_again_after_a_restart(opened: Opened, redis: Redis) -> None:
    limits, other, ada = await opened(), await opened(), student(None, 1)
    first = await ask(limits, ada)
    assert first is not None

    redis.stop()
    await asked_until_local(limits)
    await asyncio.to_thread(redis.start)
    await until(lambda: not limits.is_local)
    elsewhere = await ask(other, ada)
    limits.release(first)

    assert elsewhere is None
    assert await until_admitted(other, ada)


async def test_places_that_were_given_back_while_redis_was_frozen_are_free_after_it(
    opened: Opened, redis: Redis
) -> None:
    limits, other, ada = await opened(), await opened(), student(None, 1)
    first = await ask(limits, ada)
    assert first is not None

    redis.freeze()
    limits.release(first)
    await asked_until_local(limits)
    redis.resume()

    assert await until_admitted(other, ada)


@pytest.mark.parametrize(("ada", "amount"), [(student(1, 1), 1), (tokens_of_student(), 1000)], ids=["request", "call"])
async def test_what_is_given_up_while_it_waits_for_redis_counts_for_nothing(
    opened: Opened, redis: Redis, ada: Scope, amount: int
) -> None:
    limits, other, ada = await opened(), await opened(), ada._replace(id=fresh_id())

    redis.freeze()
    asking = asyncio.create_task(limits.admit((ada,), id=new_id(), amount=amount))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    redis.resume()

    assert asking.cancelled()
    assert await until_admitted(other, ada, amount=amount)


async def test_it_says_once_that_redis_went_and_once_that_it_came_back(
    opened: Opened, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    limits = await opened()

    redis.stop()
    await asked_until_local(limits)
    await often(limits, student(100), times=100)
    await asyncio.to_thread(redis.start)
    await until(lambda: not limits.is_local)

    said = [record.message for record in caplog.records if record.name == "apps.quotas.rate_limits.shared"]
    assert said == [
        "Redis does not answer in time; each process limits requests by itself, to 1/4 of each limit",
        "Redis answers again; all processes share the limits of requests",
    ]


async def test_more_processes_than_this_machine_has_are_noticed(opened: Opened, redis: Redis) -> None:
    several = [await opened(1) for _ in range(3)]
    for limits in several:
        await limits.keep()

    redis.stop()
    await asked_until_local(several[0])

    assert await often(several[0], student(9), times=20) == 3


async def test_the_last_to_leave_are_told_of_before_the_end(opened: Opened, redis: Redis) -> None:
    limits, other, ada = await opened(), await opened(), student(None, 1)
    first = await ask(limits, ada)
    assert first is not None

    limits.release(first)
    await limits.close()

    assert await ask(other, ada)


async def test_it_ends_in_the_middle_of_telling_who_left(opened: Opened) -> None:
    for _ in range(20):
        limits, ada = await opened(), student(None, 10)
        first = await ask(limits, ada)
        assert first is not None
        limits.release(first)
        await asyncio.sleep(0.0005)

        async with asyncio.timeout(PATIENCE):
            await limits.close()


async def test_without_a_redis_each_process_has_its_part() -> None:
    limits = await open_rate_limits(redis_url="", budget=BUDGET, processes=2)

    assert isinstance(limits, MemoryRateLimits)
    assert (await limits.admit((student(10),), id="a")) is not None
    await limits.close()


async def test_with_a_redis_all_processes_share(redis: Redis) -> None:
    limits = await open_rate_limits(redis_url=redis.url(), budget=BUDGET, processes=2)

    assert isinstance(limits, SharedRateLimits)
    await limits.close()


# What calls cost


async def test_what_a_call_cost_is_known_everywhere_once_it_was_corrected(opened: Opened) -> None:
    here, there, ada = await opened(), await opened(), tokens_of_student()

    for _ in range(20):
        id = await ask(here, ada, amount=900)
        assert id is not None and await ask(there, ada, amount=200) is None
        await here.correct((ada,), id=id, amount=5)

    assert await ask(there, ada, amount=900)


async def test_what_a_call_cost_while_redis_was_frozen_is_known_after_it(opened: Opened, redis: Redis) -> None:
    limits, other, ada = await opened(), await opened(), tokens_of_student()
    first = await ask(limits, ada, amount=1000)
    assert first is not None

    redis.freeze()
    started = time.monotonic()
    await limits.correct((ada,), id=first, amount=0)
    waited = time.monotonic() - started
    await asked_until_local(limits)
    redis.resume()

    assert waited < 3 * BUDGET
    assert await until_admitted(other, ada, amount=1000)


async def test_the_last_costs_are_told_before_the_end(opened: Opened, redis: Redis) -> None:
    limits, other, ada = await opened(), await opened(), tokens_of_student()
    first = await ask(limits, ada, amount=1000)
    assert first is not None

    redis.freeze()
    await limits.correct((ada,), id=first, amount=10)
    redis.resume()
    await limits.close()

    assert await ask(other, ada, amount=990)
