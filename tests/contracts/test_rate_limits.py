"""What every way of counting promises: `apps.quotas.rate_limits.limits.RateLimits`."""

import asyncio

import pytest

from apps.quotas.rate_limits.limits import WINDOW, Scope, Unit
from tests.contracts.rates import Limiter, course, fresh_id, student, told

in_both_units = pytest.mark.parametrize(("unit", "size"), [("requests", 1), ("tokens", 25)])


async def test_without_limits_everything_is_admitted(limiter: Limiter) -> None:
    assert await limiter.limits.admit((), id="anything", amount=10**9) is None
    await limiter.limits.correct((), id="anything", amount=0)
    limiter.limits.release("anything")


@in_both_units
@pytest.mark.parametrize("limit", [1, 3, 60])
async def test_a_fresh_minute_admits_the_limit_and_no_more(limiter: Limiter, unit: Unit, size: int, limit: int) -> None:
    assert await limiter.ask_often(limit + 5, student(limit * size, unit=unit), amount=size) == limit


@in_both_units
async def test_a_limit_of_one_admits_the_next_exactly_when_told(limiter: Limiter, unit: Unit, size: int) -> None:
    ada = student(size, unit=unit)
    await limiter.ask(ada, amount=size)

    refused = await limiter.refusal(ada, amount=size)
    await limiter.wait(milliseconds=59_999)
    just_before = await limiter.ask(ada, amount=size)
    await limiter.wait(milliseconds=1)

    assert told(refused) == 60_000
    assert just_before is None
    assert await limiter.ask(ada, amount=size)


@in_both_units
async def test_an_even_pace_at_the_limit_is_never_refused(limiter: Limiter, unit: Unit, size: int) -> None:
    ada = student(60 * size, unit=unit)

    for _ in range(200):
        assert await limiter.ask(ada, amount=size)
        limiter.clock.advance(milliseconds=1000)


@pytest.mark.parametrize(
    ("ada", "size"), [(student(2), 1), (student(2, 50), 1), (student(50, unit="tokens"), 25)], ids=str
)
async def test_what_is_refused_counts_for_nothing(limiter: Limiter, ada: Scope, size: int) -> None:
    ada = ada._replace(id=fresh_id())
    await limiter.ask_often(2, ada, amount=size)
    limiter.clock.advance(milliseconds=25_000)
    await limiter.ask_often(40, ada, amount=size)

    limiter.clock.advance(milliseconds=35_000)

    assert await limiter.ask_often(3, ada, amount=size) == 2


async def test_ids_kinds_and_units_are_counted_apart(limiter: Limiter) -> None:
    id = fresh_id()

    for scope in (student(1), student(1, 1, id=id), course(1, id=id), student(1, unit="tokens", id=id)):
        assert await limiter.ask_often(2, scope) == 1


async def test_students_share_the_limit_of_their_course(limiter: Limiter) -> None:
    together, ada, ben = course(3), student(2), student(2)

    admitted = [bool(await limiter.ask(who, together)) for who in (ada, ada, ada, ben, ben)]

    assert admitted == [True, True, False, True, False]


@pytest.mark.parametrize("full", [course(1), course(None, 1), course(1, unit="tokens")], ids=str)
async def test_what_one_scope_refuses_counts_for_none(limiter: Limiter, full: Scope) -> None:
    together, ada = full._replace(id=fresh_id()), student(1, full.at_once, unit=full.unit)
    await limiter.ask(together)

    refused = await limiter.ask(ada, together)

    assert refused is None
    assert await limiter.ask(ada)


@in_both_units
async def test_the_rate_counts_down(limiter: Limiter, unit: Unit, size: int) -> None:
    scopes = student(3 * size, unit=unit), course(100 * size, unit=unit)

    rates = [await limiter.limits.admit(scopes, id=f"r{fresh_id()}", amount=size) for _ in range(3)]

    assert rates == [(unit, 3 * size, left * size, WINDOW) for left in (2, 1, 0)]


@in_both_units
async def test_the_rate_is_that_of_the_scope_with_the_least_left(limiter: Limiter, unit: Unit, size: int) -> None:
    ada, together = student(10 * size, unit=unit), course(100 * size, unit=unit)
    await limiter.ask_often(95, together, amount=size)

    rate = await limiter.limits.admit((ada, together), id=f"r{fresh_id()}", amount=size)

    assert rate == (unit, 100 * size, 4 * size, WINDOW)


@in_both_units
async def test_a_refusal_says_when_all_of_the_limit_is_back(limiter: Limiter, unit: Unit, size: int) -> None:
    ada = student(2 * size, unit=unit)
    await limiter.ask(ada, amount=size)
    limiter.clock.advance(milliseconds=20_000)
    await limiter.ask(ada, amount=size)
    limiter.clock.advance(milliseconds=10_000)

    headers = (await limiter.refusal(ada, amount=size)).headers

    assert headers[f"x-ratelimit-reset-{unit}"] == "50s"
    assert headers["retry-after"] == "30"


@in_both_units
async def test_a_lowered_limit_holds_at_once(limiter: Limiter, unit: Unit, size: int) -> None:
    before = student(10 * size, unit=unit)
    for _ in range(4):
        limiter.clock.advance(milliseconds=1000)
        await limiter.ask(before, amount=size)
    after = before._replace(per_minute=2 * size)

    refused = await limiter.refusal(after, amount=size)

    assert told(refused) == 59_000  # until the third has left, and one remains
    assert refused.headers[f"x-ratelimit-remaining-{unit}"] == "0"
    limiter.clock.advance(milliseconds=59_000)
    assert await limiter.ask_often(2, after, amount=size) == 1


@in_both_units
async def test_a_raised_limit_holds_at_once(limiter: Limiter, unit: Unit, size: int) -> None:
    before = student(3 * size, unit=unit)
    await limiter.ask_often(5, before, amount=size)

    assert await limiter.ask_often(5, before._replace(per_minute=5 * size), amount=size) == 2


@pytest.mark.parametrize(
    ("ada", "size"),
    [(student(7), 1), (student(None, 7), 1), (student(7, 7), 1), (student(100, unit="tokens"), 14)],
    ids=str,
)
async def test_of_fifty_at_the_same_moment_exactly_the_limit_is_admitted(
    limiter: Limiter, ada: Scope, size: int
) -> None:
    ada = ada._replace(id=fresh_id())

    admitted = await asyncio.gather(*(limiter.ask(ada, amount=size) for _ in range(50)))

    assert sum(id is not None for id in admitted) == 7


# At once


async def test_limits_at_once_alone_give_no_rate(limiter: Limiter) -> None:
    assert await limiter.limits.admit((student(None, 2),), id=f"r{fresh_id()}") is None


async def test_each_that_leaves_makes_room_for_one(limiter: Limiter) -> None:
    ada = student(None, 2)
    first, _ = await limiter.ask(ada), await limiter.ask(ada)

    await limiter.leave(first, first, "never-seen")

    assert await limiter.ask_often(3, ada) == 1


async def test_leaving_gives_no_request_of_the_minute_back(limiter: Limiter) -> None:
    ada = student(1, 1)

    await limiter.leave(await limiter.ask(ada))

    assert await limiter.ask(ada) is None


async def test_an_open_request_keeps_its_place_for_ten_minutes(limiter: Limiter) -> None:
    ada = student(None, 1)
    await limiter.ask(ada)

    await limiter.wait(milliseconds=600_000)

    assert await limiter.ask(ada) is None
