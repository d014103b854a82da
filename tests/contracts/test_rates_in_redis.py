"""What only Redis has to promise: leases, repetition, loss of what it knew, a clock that all processes share."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing

import pytest
import redis.asyncio
import uvloop

from apps.common.errors import RateLimited
from apps.common.ids import new_id
from apps.quotas.rate_limits.judge import judge
from apps.quotas.rate_limits.limits import SECOND, Count, Scope
from apps.quotas.rate_limits.redis import LEASE, Correction, CountsAway, RedisCounts
from tests.contracts.rates import Clock, course, student
from tests.faults.link import Link
from tests.live import PATIENCE
from tests.servers import Redis

Process = Callable[..., RedisCounts]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def process(redis_url: str, clock: Clock) -> AsyncIterator[Process]:
    """Makes processes that count together. Their clock is Redis' own if it is told to be."""
    prefix = f"stoa:test:{new_id()}"
    async with AsyncExitStack() as stack:

        def make(clock: Clock | None = clock) -> RedisCounts:
            counts = RedisCounts(redis_url, prefix=prefix, clock=clock, patience=PATIENCE)
            stack.push_async_callback(counts.aclose)
            return counts

        yield make


async def admits(counts: RedisCounts, *scopes: Scope, amount: int = 1) -> bool:
    now, standing = await counts.admit(scopes, id=new_id(), amount=amount)
    try:
        judge(scopes, standing, now=now, amount=amount)
    except RateLimited:
        return False
    return True


async def often(counts: Sequence[RedisCounts], *scopes: Scope, times: int, amount: int = 1) -> int:
    return sum([await admits(counts[number % len(counts)], *scopes, amount=amount) for number in range(times)])


async def test_processes_share_the_limits(process: Process) -> None:
    several = [process(), process(), process()]

    assert await often(several, student(7, 100), course(None, 50), times=20) == 7
    assert await often(several, student(100, unit="tokens"), times=20, amount=14) == 7


async def test_a_request_that_is_sent_again_counts_once(process: Process) -> None:
    counts, ada = process(), student(2, 2)

    first = [await counts.admit((ada,), id="the-same") for _ in range(3)]

    assert [standing for _, standing in first] == [[Count(0, 0, 0, 0)]] * 3
    assert await often([counts], ada, times=3) == 1


async def test_the_places_of_a_process_that_died_lapse_with_their_lease(process: Process, clock: Clock) -> None:
    dead, alive, ada = process(), process(), student(None, 1)
    await admits(dead, ada)

    clock.advance(milliseconds=LEASE / 1000 - 1)
    just_before = await admits(alive, ada)
    clock.advance(milliseconds=1)

    assert not just_before
    assert await admits(alive, ada)


async def test_renewing_very_many_places_keeps_all_of_them(process: Process, clock: Clock) -> None:
    counts, together = process(), course(None, 1500)
    places = {new_id(): (student(None, 1), together) for _ in range(1500)}
    await counts.keep(left={}, open=places)

    for _ in range(3):
        clock.advance(milliseconds=LEASE / 2000)
        await counts.keep(left={}, open=places)
    still = await admits(counts, together)
    await counts.keep(left=places, open={})

    assert not still
    assert await often([counts], together, times=1501) == 1500


async def test_processes_are_counted_while_they_live(process: Process, clock: Clock) -> None:
    first, second = process(), process()

    together = [await first.keep(left={}, open={}), await second.keep(left={}, open={})]
    clock.advance(milliseconds=LEASE / 1000)

    assert together == [1, 2]
    assert await first.keep(left={}, open={}) == 1


async def test_after_a_flush_windows_start_anew_and_open_places_come_back(
    process: Process, clock: Clock, redis_url: str
) -> None:
    counts, ada, open_ = process(), student(2, 3), {new_id(): (student(None, 1),)}
    await counts.keep(left={}, open=open_)
    await often([counts], ada, times=2)

    async with redis.asyncio.Redis.from_url(redis_url) as client:
        await client.flushall()
        await client.script_flush()
    again = await often([counts], ada, times=3)
    await counts.keep(left={}, open=open_)

    assert again == 2
    assert not await admits(counts, *next(iter(open_.values())))


@pytest.mark.parametrize("ada", [student(1, 1), student(1, unit="tokens")], ids=str)
async def test_a_clock_that_is_set_back_locks_nobody_out(process: Process, clock: Clock, ada: Scope) -> None:
    counts = process()
    await admits(counts, ada)

    clock.advance(milliseconds=-3_600_000)

    assert await admits(counts, ada)


async def test_time_is_the_servers(process: Process) -> None:
    counts = process(None)

    now, _ = await counts.admit((student(1),), id=new_id())

    assert abs(now / SECOND - time.time()) < PATIENCE


async def test_redis_forgets_by_itself_what_is_over(process: Process, redis_url: str) -> None:
    counts, ada = process(), student(1, 1)
    await counts.admit((ada,), id="first")
    await counts.correct([Correction((ada,), "first", 2)])

    async with redis.asyncio.Redis.from_url(redis_url) as client:
        keys = [key async for key in client.scan_iter(match=f"{counts._prefix}:*")]
        lives = [await client.pttl(key) for key in keys]

    assert len(keys) == 3
    assert all(0 < life <= 60_000 for life in lives)


async def test_very_many_calls_are_corrected(process: Process) -> None:
    counts, together = process(), course(10**9, unit="tokens")
    ids = [new_id() for _ in range(1200)]
    for id in ids:
        await counts.admit((together,), id=id, amount=1000)

    await counts.correct(Correction((together,), id, 1) for id in ids)

    _, (standing,) = await counts.admit((together,), id=new_id(), amount=0)
    assert standing.used == 1200


@pytest.mark.parametrize("evicted", [0, 1])
async def test_a_minute_of_which_a_part_was_evicted_locks_nobody_out(
    process: Process, redis_url: str, evicted: int
) -> None:
    counts, ada = process(), student(100, unit="tokens")
    await counts.admit((ada,), id="first", amount=100)

    async with redis.asyncio.Redis.from_url(redis_url) as client:
        await client.delete(counts._log(ada)[evicted])
    await counts.correct([Correction((ada,), "first", 90)])

    assert await admits(counts, ada, amount=100)
    assert not await admits(counts, ada)


async def test_a_redis_that_cannot_count_is_away() -> None:
    """A replica whose primary is gone: it answers, but takes no writes."""
    with Redis(replicaof="127.0.0.1 9") as server:
        async with aclosing(RedisCounts(server.url(), patience=PATIENCE)) as counts:
            with pytest.raises(CountsAway):
                await counts.admit((student(1),), id=new_id())


async def test_a_redis_that_is_not_there_is_away() -> None:
    async with aclosing(RedisCounts("redis://127.0.0.1:9/0", patience=PATIENCE)) as counts:
        for ask in (
            counts.admit((student(1),), id="a"),
            counts.correct([Correction((student(1),), "a", 0)]),
            counts.ping(),
        ):
            with pytest.raises(CountsAway):
                await ask


def test_a_redis_whose_connections_are_reset_is_away_also_on_the_loop_of_the_product() -> None:
    """uvloop answers a write to a connection that has just been reset with an error of its own."""

    async def ask_while_they_are_reset(port: int, reset: Callable[[], None]) -> None:
        over = asyncio.Event()
        async with aclosing(RedisCounts(f"redis://127.0.0.1:{port}/0", patience=PATIENCE)) as counts:

            async def ask_on(number: int) -> None:
                while not over.is_set():
                    with contextlib.suppress(CountsAway):
                        await counts.admit((student(10**6),), id=f"{number}")

            asking = asyncio.gather(*map(ask_on, range(8)))
            for _ in range(50):
                await asyncio.sleep(0.01)
                await asyncio.to_thread(reset)
            over.set()
            await asking

    with (
        Redis() as server,
        Link(("127.0.0.1", server.port)) as link,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(ask_while_they_are_reset(link.port, link.reset_all))
