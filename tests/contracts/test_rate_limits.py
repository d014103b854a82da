"""What every way of counting requests promises: `apps.quotas.rate_limits.requests.RateLimits`."""

import asyncio
from collections import defaultdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contracts.rates import Limiter, admitted_in_window, course, fresh_id, student, told

# The limiter is one for all examples of a property; each example has accounts of its own.
prop = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


async def test_without_limits_everything_is_admitted(limiter: Limiter) -> None:
    assert await limiter.limits.admit((), id="anything") is None
    limiter.limits.release("anything")


@pytest.mark.parametrize("limit", [1, 3, 60])
async def test_a_fresh_minute_admits_the_limit_and_no_more(limiter: Limiter, limit: int) -> None:
    assert await limiter.ask_often(limit + 5, student(limit)) == limit


async def test_a_limit_of_one_admits_the_next_exactly_when_told(limiter: Limiter) -> None:
    ada = student(1)
    await limiter.ask(ada)

    refused = await limiter.refusal(ada)
    await limiter.wait(milliseconds=59_999)
    just_before = await limiter.ask(ada)
    await limiter.wait(milliseconds=1)

    assert told(refused) == 60_000
    assert just_before is None
    assert await limiter.ask(ada)


async def test_an_even_pace_at_the_limit_is_never_refused(limiter: Limiter) -> None:
    ada = student(60)

    for _ in range(200):
        assert await limiter.ask(ada)
        limiter.clock.advance(milliseconds=1000)


async def test_the_window_slides(limiter: Limiter) -> None:
    ada = student(10)
    await limiter.ask_often(6, ada)
    limiter.clock.advance(milliseconds=30_000)
    await limiter.ask_often(4, ada)

    limiter.clock.advance(milliseconds=30_000)

    assert await limiter.ask_often(10, ada) == 6


@pytest.mark.parametrize("at_once", [None, 50])
async def test_a_refused_request_counts_for_nothing(limiter: Limiter, at_once: int | None) -> None:
    ada = student(2, at_once)
    await limiter.ask_often(2, ada)
    limiter.clock.advance(milliseconds=25_000)
    await limiter.ask_often(40, ada)

    limiter.clock.advance(milliseconds=35_000)

    assert await limiter.ask_often(3, ada) == 2


async def test_scopes_of_one_kind_do_not_share_a_limit(limiter: Limiter) -> None:
    ada, ben = student(1), student(1)

    assert [bool(await limiter.ask(who)) for who in (ada, ben, ada)] == [True, True, False]


async def test_scopes_of_two_kinds_do_not_share_a_limit_though_their_ids_are_the_same(limiter: Limiter) -> None:
    id = fresh_id()

    assert await limiter.ask(student(1, id=id))
    assert await limiter.ask(course(1, id=id))


async def test_students_share_the_limit_of_their_course(limiter: Limiter) -> None:
    together, ada, ben = course(3), student(2), student(2)

    admitted = [bool(await limiter.ask(who, together)) for who in (ada, ada, ada, ben, ben)]

    assert admitted == [True, True, False, True, False]


@pytest.mark.parametrize("full", [course(1), course(None, 1)], ids=["a minute", "at once"])
async def test_what_one_scope_refuses_counts_for_none(limiter: Limiter, full: object) -> None:
    together, ada = full._replace(id=fresh_id()), student(1, 1)  # type: ignore[attr-defined]
    await limiter.ask(together)

    refused = await limiter.ask(ada, together)

    assert refused is None
    assert await limiter.ask(ada)


async def test_the_rate_counts_down(limiter: Limiter) -> None:
    ada = student(3)

    rates = [await limiter.limits.admit((ada,), id=f"r{fresh_id()}") for _ in range(3)]

    assert [rate and (rate.limit, rate.remaining) for rate in rates] == [(3, 2), (3, 1), (3, 0)]


async def test_the_rate_is_that_of_the_scope_with_the_least_left(limiter: Limiter) -> None:
    ada, together = student(10), course(100)
    await limiter.ask_often(95, together)

    rate = await limiter.limits.admit((ada, together), id=f"r{fresh_id()}")

    assert rate is not None
    assert (rate.limit, rate.remaining, rate.reset) == (100, 4, 60_000_000)


async def test_requests_are_limited_at_once(limiter: Limiter) -> None:
    assert await limiter.ask_often(5, student(None, 2)) == 2


async def test_limits_at_once_alone_give_no_rate(limiter: Limiter) -> None:
    assert await limiter.limits.admit((student(None, 2),), id=f"r{fresh_id()}") is None


async def test_who_leaves_makes_room_for_one(limiter: Limiter) -> None:
    ada = student(None, 1)
    first = await limiter.ask(ada)

    await limiter.leave(first)

    assert await limiter.ask_often(2, ada) == 1


async def test_leaving_twice_makes_no_more_room(limiter: Limiter) -> None:
    ada = student(None, 2)
    first, _ = await limiter.ask(ada), await limiter.ask(ada)

    await limiter.leave(first, first)

    assert await limiter.ask_often(3, ada) == 1


async def test_a_stranger_may_leave(limiter: Limiter) -> None:
    await limiter.leave("never-seen")


async def test_leaving_gives_no_request_of_the_minute_back(limiter: Limiter) -> None:
    ada = student(1, 1)

    await limiter.leave(await limiter.ask(ada))

    assert await limiter.ask(ada) is None


async def test_an_open_request_keeps_its_place_for_ten_minutes(limiter: Limiter) -> None:
    ada = student(None, 1)
    await limiter.ask(ada)

    await limiter.wait(milliseconds=600_000)

    assert await limiter.ask(ada) is None


async def test_a_lowered_limit_holds_at_once(limiter: Limiter) -> None:
    before = student(10)
    for _ in range(4):
        limiter.clock.advance(milliseconds=1000)
        await limiter.ask(before)

    refused = await limiter.refusal(before._replace(per_minute=2))

    assert told(refused) == 59_000  # until the third has left, and one remains
    limiter.clock.advance(milliseconds=59_000)
    assert await limiter.ask_often(2, before._replace(per_minute=2)) == 1


async def test_a_raised_limit_holds_at_once(limiter: Limiter) -> None:
    before = student(3)
    await limiter.ask_often(5, before)

    assert await limiter.ask_often(5, before._replace(per_minute=5)) == 2


@pytest.mark.parametrize("limits", [(7, None), (None, 7), (7, 7)])
async def test_of_fifty_at_the_same_moment_exactly_the_limit_is_admitted(
    limiter: Limiter, limits: tuple[int | None, int | None]
) -> None:
    ada = student(*limits)

    admitted = await asyncio.gather(*(limiter.ask(ada) for _ in range(50)))

    assert sum(id is not None for id in admitted) == 7


async def test_a_refusal_says_when_all_of_the_limit_is_back(limiter: Limiter) -> None:
    ada = student(2)
    await limiter.ask(ada)
    limiter.clock.advance(milliseconds=20_000)
    await limiter.ask(ada)
    limiter.clock.advance(milliseconds=10_000)

    headers = (await limiter.refusal(ada)).headers

    assert headers["x-ratelimit-reset-requests"] == "50s"
    assert headers["retry-after"] == "30"


async def test_a_refusal_names_the_limit_that_lasts_longest(limiter: Limiter) -> None:
    ada, together = student(1), course(1)
    await limiter.ask(ada)
    limiter.clock.advance(milliseconds=20_000)
    await limiter.ask(together)

    refused = await limiter.refusal(ada, together)

    assert told(refused) == 60_000
    assert refused.details == {"scope": "course", "limit": 1}


@prop
@given(
    limits=st.tuples(st.integers(1, 4), st.integers(1, 6)),
    pauses=st.lists(st.integers(0, 25_000), min_size=1, max_size=40),
)
async def test_whoever_waits_as_long_as_told_is_admitted_and_nobody_sooner(
    limiter: Limiter, limits: tuple[int, int], pauses: list[int]
) -> None:
    ada, together = student(limits[0]), course(limits[1])
    for pause in pauses:
        limiter.clock.advance(milliseconds=pause)
        if await limiter.ask(ada, together) is None:
            wait = told(await limiter.refusal(ada, together))
            assert 0 < wait <= 60_000
            limiter.clock.advance(milliseconds=wait - 1)
            assert await limiter.ask(ada, together) is None
            limiter.clock.advance(milliseconds=1)
            assert await limiter.ask(ada, together)


requests = st.lists(
    st.tuples(st.sampled_from(["ask", "ask", "leave", "wait"]), st.integers(0, 2), st.integers(0, 30_000_999)),
    min_size=1,
    max_size=50,
)


@prop
@given(limits=st.tuples(*[st.none() | st.integers(1, 5)] * 4), steps=requests)
async def test_it_admits_what_the_rule_admits(
    limiter: Limiter, limits: tuple[int | None, ...], steps: list[tuple[str, int, int]]
) -> None:
    """Against the rule written down: every instant kept for ever, and counted anew each time."""
    students = [student(limits[0], limits[1]) for _ in range(3)]
    together = course(limits[2], limits[3])
    instants: dict[object, list[int]] = defaultdict(list)
    open_: dict[str, tuple[object, object]] = {}
    for what, who, microseconds in steps:
        if what == "wait":
            await limiter.wait(milliseconds=microseconds / 1000)
        elif what == "leave" and open_:
            id = sorted(open_)[who % len(open_)]
            del open_[id]
            await limiter.leave(id)
        elif what == "ask":
            scopes, now = (students[who], together), limiter.clock.now
            expected = all(
                (scope.per_minute is None or admitted_in_window(instants[scope], now) < scope.per_minute)
                and (scope.at_once is None or sum(scope in held for held in open_.values()) < scope.at_once)
                for scope in scopes
            )
            asked = await limiter.ask(*scopes)
            assert (asked is not None) is expected
            if asked is not None:
                open_[asked] = scopes
                for scope in scopes:
                    instants[scope].append(now)
    await limiter.leave(*open_)
