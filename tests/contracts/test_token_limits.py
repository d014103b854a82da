"""What every way of counting tokens promises: `apps.quotas.rate_limits.tokens.TokenLimits`."""

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.quotas.rate_limits.tokens import MANY, MOST, TokenScope
from tests.contracts.rates import Limiter, fresh_id, student, tokens_of_course, tokens_of_student, told

# The limiter is one for all examples of a property; each example has accounts of its own.
prop = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


async def test_without_limits_every_call_is_admitted(limiter: Limiter) -> None:
    assert await limiter.limits.take((), id="anything", amount=10**9) is None
    limiter.limits.correct((), id="anything", amount=0)


async def test_a_minute_has_room_for_the_limit_and_no_more(limiter: Limiter) -> None:
    ada = tokens_of_student(100)

    admitted = [bool(await limiter.take(amount, ada)) for amount in (60, 41, 40, 1)]

    assert admitted == [True, False, True, False]


async def test_a_refused_call_counts_for_nothing(limiter: Limiter) -> None:
    ada = tokens_of_student(100)
    await limiter.take(60, ada)
    limiter.clock.advance(milliseconds=30_000)
    for _ in range(20):
        assert await limiter.take(50, ada) is None

    limiter.clock.advance(milliseconds=30_000)

    assert await limiter.take(100, ada)


async def test_the_wait_ends_when_enough_has_left_the_window(limiter: Limiter) -> None:
    ada = tokens_of_student(100)
    for _ in range(4):
        assert await limiter.take(25, ada)
        limiter.clock.advance(milliseconds=1000)

    assert told(await limiter.token_refusal(25, ada)) == 56_000
    assert told(await limiter.token_refusal(26, ada)) == 57_000
    refused = await limiter.token_refusal(75, ada)
    assert told(refused) == 58_000
    limiter.clock.advance(milliseconds=57_999)
    just_before = await limiter.take(75, ada)
    limiter.clock.advance(milliseconds=1)
    assert just_before is None
    assert await limiter.take(75, ada)


async def test_an_estimate_that_was_too_high_gives_room_back(limiter: Limiter) -> None:
    ada = tokens_of_student(100)
    first = await limiter.take(90, ada)

    await limiter.end(first, 30, ada)

    assert not await limiter.take(71, ada)
    assert await limiter.take(70, ada)


async def test_a_corrected_call_leaves_the_window_when_it_would_have(limiter: Limiter) -> None:
    ada = tokens_of_student(100)
    first = await limiter.take(90, ada)
    limiter.clock.advance(milliseconds=40_000)
    await limiter.end(first, 50, ada)

    refused = await limiter.token_refusal(51, ada)

    assert told(refused) == 20_000


async def test_a_call_that_was_free_counts_for_nothing(limiter: Limiter) -> None:
    ada = tokens_of_student(100)
    first = await limiter.take(100, ada)

    await limiter.end(first, 0, ada)

    assert await limiter.take(100, ada)


async def test_correcting_twice_is_correcting_once(limiter: Limiter) -> None:
    ada = tokens_of_student(100)
    first, second = await limiter.take(50, ada), await limiter.take(50, ada)

    for _ in range(3):
        await limiter.end(first, 0, ada)
    await limiter.end(second, 40, ada)
    await limiter.end(second, 40, ada)

    assert not await limiter.take(61, ada)
    assert await limiter.take(60, ada)


async def test_a_call_that_cost_more_than_it_seemed_to_counts_whole(limiter: Limiter) -> None:
    ada = tokens_of_student(100)
    first = await limiter.take(10, ada)

    await limiter.end(first, 150, ada)

    refused = await limiter.token_refusal(1, ada)
    assert told(refused) == 60_000
    assert refused.headers["x-ratelimit-remaining-tokens"] == "0"


async def test_a_call_that_ends_after_its_minute_changes_nothing(limiter: Limiter) -> None:
    ada = tokens_of_student(100)
    first = await limiter.take(90, ada)
    limiter.clock.advance(milliseconds=60_000)
    await limiter.take(50, ada)

    await limiter.end(first, 1000, ada)

    assert await limiter.take(50, ada)


async def test_a_stranger_may_be_corrected(limiter: Limiter) -> None:
    ada = tokens_of_student(100)

    await limiter.end("never-seen", 100, ada)

    assert await limiter.take(100, ada)


async def test_a_call_that_is_taken_again_counts_once(limiter: Limiter) -> None:
    ada = tokens_of_student(100)

    for amount in (100, 80, 60):
        await limiter.limits.take((ada,), id=f"again-{ada.id}", amount=amount)

    assert not await limiter.take(41, ada)
    assert await limiter.take(40, ada)


async def test_what_one_scope_refuses_counts_for_none(limiter: Limiter) -> None:
    ada, together = tokens_of_student(100), tokens_of_course(100)
    await limiter.take(50, together)

    refused = await limiter.take(60, ada, together)

    assert refused is None
    assert await limiter.take(100, ada)


async def test_scopes_do_not_share_a_limit(limiter: Limiter) -> None:
    id = fresh_id()

    assert await limiter.take(5, tokens_of_student(5, id=id))
    assert await limiter.take(5, tokens_of_course(5, id=id))
    assert await limiter.take(5, tokens_of_student(5))


async def test_a_call_is_corrected_in_all_of_its_scopes(limiter: Limiter) -> None:
    ada, together = tokens_of_student(100), tokens_of_course(200)
    first = await limiter.take(100, ada, together)

    await limiter.end(first, 10, ada, together)

    assert await limiter.take(90, ada)
    assert await limiter.take(190, together)


async def test_a_call_larger_than_the_whole_limit_is_told_that_waiting_does_not_help(limiter: Limiter) -> None:
    ada = tokens_of_student(100)

    refused = await limiter.token_refusal(101, ada)

    assert refused.headers == {"x-should-retry": "false"}
    assert refused.message.startswith("This request may take 101 tokens, more than the 100 that you may take")


async def test_the_rate_counts_down(limiter: Limiter) -> None:
    ada, together = tokens_of_student(100), tokens_of_course(1000)

    rates = [await limiter.limits.take((ada, together), id=f"r{fresh_id()}", amount=30) for _ in range(3)]

    assert [rate and (rate.limit, rate.remaining, rate.reset) for rate in rates] == [
        (100, 70, 60_000_000),
        (100, 40, 60_000_000),
        (100, 10, 60_000_000),
    ]


async def test_a_lowered_limit_holds_at_once(limiter: Limiter) -> None:
    before = tokens_of_student(100)
    for _ in range(4):
        limiter.clock.advance(milliseconds=1000)
        await limiter.take(25, before)

    refused = await limiter.token_refusal(10, before._replace(per_minute=40))

    assert told(refused) == 59_000  # until the third has left, and 25 remain
    assert refused.headers["x-ratelimit-remaining-tokens"] == "0"


async def test_of_fifty_at_the_same_moment_exactly_as_many_as_fit_are_admitted(limiter: Limiter) -> None:
    ada = tokens_of_student(100)

    admitted = await asyncio.gather(*(limiter.take(14, ada) for _ in range(50)))

    assert sum(id is not None for id in admitted) == 7


async def test_tokens_and_requests_of_one_student_are_counted_apart(limiter: Limiter) -> None:
    who = fresh_id()
    ada, tokens = student(2, 2, id=who), tokens_of_student(10, id=who)
    await limiter.ask(ada)
    await limiter.take(10, tokens)

    assert await limiter.ask(ada)
    assert not await limiter.take(1, tokens)


calls = st.lists(
    st.tuples(
        st.sampled_from(["take", "take", "end", "wait"]), st.integers(0, 2), st.integers(0, 120), st.integers(0, 30_000)
    ),
    min_size=1,
    max_size=50,
)


@prop
@given(limits=st.tuples(st.integers(1, 100), st.integers(1, 200)), steps=calls)
async def test_it_admits_what_the_rule_admits_and_tells_the_exact_wait(
    limiter: Limiter, limits: tuple[int, int], steps: list[tuple[str, int, int, int]]
) -> None:
    """Against the rule written down: every amount kept for ever, and added up anew each time."""
    students = [tokens_of_student(limits[0]) for _ in range(3)]
    together = tokens_of_course(limits[1])
    kept: dict[str, dict[str, Any]] = {}
    ended: set[str] = set()

    def fits(scopes: tuple[TokenScope, ...], amount: int, now: int) -> bool:
        return all(
            sum(
                one["amount"] for one in kept.values() if scope in one["scopes"] and now - 60_000_000 < one["at"] <= now
            )
            + amount
            <= scope.per_minute
            for scope in scopes
        )

    for what, who, amount, milliseconds in steps:
        if what == "wait":
            await limiter.wait(milliseconds=milliseconds)
        elif what == "end" and (going_on := sorted(kept.keys() - ended)):
            id = going_on[who % len(going_on)]
            await limiter.end(id, amount, *kept[id]["scopes"])
            kept[id]["amount"] = amount
            ended.add(id)  # a call ends once: what is said of it later changes nothing
        elif what == "take":
            scopes, now = (students[who], together), limiter.clock.now
            expected = fits(scopes, amount, now)
            id_ = await limiter.take(amount, *scopes)
            assert (id_ is not None) is expected
            if id_ is not None:
                kept[id_] = {"scopes": scopes, "amount": amount, "at": now}
            elif amount <= min(limits):
                wait = told(await limiter.token_refusal(amount, *scopes))
                assert fits(scopes, amount, now + wait * 1000)
                assert not fits(scopes, amount, now + wait * 1000 - 1)


async def test_a_log_is_bounded_and_never_counts_too_little(limiter: Limiter) -> None:
    """Many calls that end at once, and very many that do not."""
    plenty = tokens_of_course(10**9)
    for _ in range(MANY + 500):
        limiter.clock.advance(milliseconds=1)
        await limiter.limits.take((plenty,), id=(id := f"call-{fresh_id()}"), amount=100)
        limiter.limits.correct((plenty,), id=id, amount=10)
    await limiter.sync()

    assert await limiter.entries(plenty) <= MANY + 600
    assert await used(limiter, plenty) == 10 * (MANY + 500)

    for _ in range(MOST):
        limiter.clock.advance(milliseconds=1)
        await limiter.limits.take((plenty,), id=f"call-{fresh_id()}", amount=1)

    assert await limiter.entries(plenty) <= MOST + 600
    assert await used(limiter, plenty) == 10 * (MANY + 500) + MOST
    limiter.clock.advance(milliseconds=60_000)
    assert await used(limiter, plenty) == 0


@pytest.mark.parametrize("joined", [False, True])
async def test_calls_that_were_joined_count_until_the_last_of_them_has_left(limiter: Limiter, joined: bool) -> None:
    full = tokens_of_course(MANY + 20)
    for number in range(MANY if joined else 0):
        await limiter.limits.take((full,), id=f"filler-{full.id}-{number}", amount=1)
    limiter.clock.advance(milliseconds=30_000)
    ids = []
    for _ in range(2):
        ids.append(await limiter.take(10, full))
        limiter.clock.advance(milliseconds=40)
    for id in ids:
        await limiter.end(id, 10, full)
    limiter.clock.advance(milliseconds=29_920)  # the fillers have left

    assert await used(limiter, full) == 20
    limiter.clock.advance(milliseconds=30_000)  # a minute after the first
    assert await used(limiter, full) == (20 if joined else 10)
    limiter.clock.advance(milliseconds=40)
    assert await used(limiter, full) == 0


async def used(limiter: Limiter, scope: TokenScope) -> int:
    """What a scope has used, from what is left of it."""
    rate = await limiter.limits.take((scope,), id=(id := f"look-{fresh_id()}"), amount=0)
    assert rate is not None
    limiter.limits.correct((scope,), id=id, amount=0)
    await limiter.sync()
    return rate.limit - rate.remaining
