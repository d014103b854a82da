"""What every way of counting promises of calls that cost less, or more, than they seemed to."""

import pytest

from apps.quotas.rate_limits.limits import Scope
from apps.quotas.rate_limits.log import MANY
from tests.contracts.rates import Limiter, course, fresh_id, student, told


@pytest.fixture
def ada() -> Scope:
    return student(100, unit="tokens")


@pytest.mark.parametrize("cost", [0, 30, 90, 100])
async def test_a_call_that_ended_counts_with_what_it_cost(limiter: Limiter, ada: Scope, cost: int) -> None:
    first = await limiter.ask(ada, amount=90)

    for _ in range(3):  # once more, it changes nothing
        await limiter.end(first, ada, amount=cost)

    assert not await limiter.ask(ada, amount=101 - cost)
    assert await limiter.ask(ada, amount=100 - cost)


async def test_a_call_that_cost_more_than_the_limit_counts_whole(limiter: Limiter, ada: Scope) -> None:
    first = await limiter.ask(ada, amount=10)

    await limiter.end(first, ada, amount=150)

    refused = await limiter.refusal(ada, amount=1)
    assert told(refused) == 60_000
    assert refused.headers["x-ratelimit-remaining-tokens"] == "0"


async def test_a_call_that_ends_after_its_minute_changes_nothing(limiter: Limiter, ada: Scope) -> None:
    first = await limiter.ask(ada, amount=90)
    limiter.clock.advance(milliseconds=60_000)
    await limiter.ask(ada, amount=50)

    await limiter.end(first, ada, amount=1000)

    assert await limiter.ask(ada, amount=50)


async def test_an_unknown_call_changes_nothing(limiter: Limiter, ada: Scope) -> None:
    await limiter.end("never-seen", ada, amount=100)

    assert await limiter.ask(ada, amount=100)


async def test_a_call_larger_than_the_whole_limit_is_told_that_waiting_does_not_help(
    limiter: Limiter, ada: Scope
) -> None:
    refused = await limiter.refusal(ada, amount=101)

    assert refused.headers == {"x-should-retry": "false"}
    assert refused.message.startswith("This request may take 101 tokens, more than the 100 that you may take")


async def test_a_log_is_bounded_and_never_counts_too_little(limiter: Limiter) -> None:
    plenty = course(10**9, unit="tokens")
    for _ in range(MANY + 500):
        limiter.clock.advance(milliseconds=1)
        await limiter.end(await limiter.ask(plenty, amount=100), plenty, amount=10)

    assert await limiter.entries(plenty) <= MANY + 600
    assert await limiter.used(plenty) == 10 * (MANY + 500)
    limiter.clock.advance(milliseconds=60_000)
    assert await limiter.used(plenty) == 0


@pytest.mark.parametrize("last_first", [False, True])
@pytest.mark.parametrize("joined", [False, True])
async def test_calls_that_were_joined_count_until_the_last_of_them_has_left(
    limiter: Limiter, joined: bool, last_first: bool
) -> None:
    full = course(MANY + 20, unit="tokens")
    for _ in range(MANY if joined else 0):
        await limiter.limits.admit((full,), id=f"filler-{fresh_id()}", amount=1)
    limiter.clock.advance(milliseconds=30_000)
    ids = []
    for _ in range(2):
        ids.append(await limiter.ask(full, amount=10))
        limiter.clock.advance(milliseconds=40)
    for id in reversed(ids) if last_first else ids:
        await limiter.end(id, full, amount=10)
    limiter.clock.advance(milliseconds=29_920)  # the fillers have left

    assert await limiter.used(full) == 20
    limiter.clock.advance(milliseconds=30_000)  # a minute after the first
    assert await limiter.used(full) == (20 if joined else 10)
    limiter.clock.advance(milliseconds=40)
    assert await limiter.used(full) == 0
