"""What every way of counting promises of requests to services: several limits at once, bursts, and their fields."""

import asyncio

import pytest

from apps.common.errors import RateLimited
from apps.quotas.rate_limits.limits import SECOND, WINDOW, Rate, Scope
from tests.contracts.rates import Limiter, burst, fresh_id, told


def key(per_minute: int) -> Scope:
    return Scope("key", f"7:{fresh_id()}", "requests", per_minute, policy="key")


async def each(limiter: Limiter, *scopes: Scope) -> list[Rate]:
    return list(await limiter.limits.admit_each(scopes, id=f"request-{fresh_id()}"))


async def refused_each(limiter: Limiter, *scopes: Scope) -> RateLimited:
    with pytest.raises(RateLimited) as caught:
        await each(limiter, *scopes)
    return caught.value


async def test_without_limits_there_are_no_rates(limiter: Limiter) -> None:
    assert await each(limiter) == []


async def test_a_burst_admits_its_number_in_any_second(limiter: Limiter) -> None:
    scope = burst(3)

    assert await limiter.ask_often(5, scope) == 3
    limiter.clock.advance(milliseconds=999)
    assert await limiter.ask(scope) is None
    limiter.clock.advance(milliseconds=1)
    assert await limiter.ask_often(5, scope) == 3


async def test_an_even_pace_at_the_burst_is_never_refused(limiter: Limiter) -> None:
    scope = burst(10)

    for _ in range(100):
        assert await limiter.ask(scope)
        limiter.clock.advance(milliseconds=100)


async def test_a_burst_and_a_minute_hold_together(limiter: Limiter) -> None:
    short, long = burst(2), key(3)

    rates = [await each(limiter, long, short) for _ in range(2)]
    first = await refused_each(limiter, long, short)
    limiter.clock.advance(milliseconds=1000)
    await each(limiter, long, short)
    second = await refused_each(limiter, long, short)

    assert [[rate.remaining for rate in pair] for pair in rates] == [[2, 1], [1, 0]]
    assert [rate.reset for rate in rates[0]] == [WINDOW, SECOND]
    assert (told(first), told(second)) == (1000, 59_000)
    assert first.headers["ratelimit"] == '"burst";r=0;t=1'
    assert second.headers["ratelimit"] == '"key";r=0;t=59'
    assert second.headers["ratelimit-policy"] == '"key";q=3;w=60, "burst";q=2;w=1'
    assert second.headers["retry-after"] == "59"


async def test_what_a_burst_refuses_does_not_count_for_the_minute(limiter: Limiter) -> None:
    short, long = burst(1), key(5)
    await each(limiter, long, short)

    for _ in range(10):
        await refused_each(limiter, long, short)
    limiter.clock.advance(milliseconds=1000)

    assert [rate.remaining for rate in await each(limiter, long, short)] == [3, 0]


async def test_two_services_count_one_key_apart(limiter: Limiter) -> None:
    one, other = Scope("key", f"1:{fresh_id()}", "requests", 1), Scope("key", f"2:{fresh_id()}", "requests", 1)

    assert [await limiter.ask_often(3, scope) for scope in (one, other)] == [1, 1]


async def test_of_fifty_at_the_same_moment_a_burst_admits_its_number(limiter: Limiter) -> None:
    scope = burst(7)

    admitted = await asyncio.gather(*(limiter.ask(scope) for _ in range(50)))

    assert sum(id is not None for id in admitted) == 7
