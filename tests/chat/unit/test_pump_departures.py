"""What a pump does when the client leaves or reads no more, or when time runs out."""

import asyncio
import time
from typing import Any

from apps.chat.relay.attempts import Providers
from apps.chat.runtime import ChatRuntime
from apps.providers.health.memory import Health
from tests.chat.unit.desk import Desk
from tests.chat.unit.pumps import BRIEF, SECONDS, ended, hold_of, read, record_of, streaming
from tests.chat.unit.upstreams import DONE, FINISH, ScriptedAdapter, ScriptedUpstream, piece, usage
from tests.chat.unit.values import a_route, a_target


async def test_a_client_that_left_waits_for_the_usage_and_then_stops_the_provider(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    upstream.say(piece("Hello"))
    pump = streaming(ledger, desk)
    await read(pump, blocks=1)

    pump.client_left()
    upstream.say(FINISH, usage(200, 100), DONE)
    await ended(pump)

    record = await record_of(pump)
    assert (record.status, record.charged, record.is_estimated) == ("answered", 300, False)


async def test_no_more_than_two_seconds_though(upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk) -> None:
    upstream.say(piece("Hello"))
    pump = streaming(ledger, desk)
    await read(pump, blocks=1)

    pump.client_left()
    await ended(pump)

    record = await record_of(pump)
    assert (record.status, record.is_estimated, upstream.is_closed) == ("left", True, True)


async def test_what_came_while_the_process_stood_still_is_read_first(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk, settings: Any
) -> None:
    settings.CLIENT_LEFT_GRACE = 0.01
    upstream.hops = 5  # of the loop, from the socket to whoever reads
    upstream.say(piece("Hello"))
    pump = streaming(ledger, desk)
    await read(pump, blocks=1)

    pump.client_left()
    upstream.say(FINISH, usage(200, 100), DONE)
    time.sleep(0.05)  # noqa: ASYNC251  # the process is stopped
    await ended(pump)

    record = await record_of(pump)
    assert (record.charged, record.is_estimated) == (300, False)


async def test_the_first_reason_to_end_counts(upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk) -> None:
    upstream.say(piece("Hello"))
    pump = streaming(ledger, desk)
    await read(pump, blocks=1)

    pump.stop("provider_stalled")
    pump.stop("shutting_down")
    last = (await read(pump))[-1]

    await ended(pump)
    assert b"upstream_stalled" in last


async def test_a_client_that_leaves_while_the_answer_is_being_ended_changes_nothing(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    upstream.say(piece("Hello"))
    pump = streaming(ledger, desk, route=BRIEF)
    upstream.on_close = pump.client_left  # at the very moment when the limit has passed

    await ended(pump)

    assert (await record_of(pump)).status == "left"


async def test_an_answer_that_takes_too_long_is_ended(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    upstream.say(piece("Hello"))
    pump = streaming(ledger, desk, route=BRIEF)

    last = (await read(pump))[-1]

    await ended(pump)
    assert b"upstream_timeout" in last


async def test_the_time_that_an_answer_took_to_begin_counts(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    pump = streaming(ledger, desk, route=a_route(a_target(total_timeout=1.0)))
    started = time.monotonic()
    await asyncio.sleep(0.7)

    upstream.say(piece("Hello"))

    await ended(pump)
    assert (await record_of(pump)).error_code == "upstream_timeout"
    assert time.monotonic() - started < 1.5


async def test_a_hold_outlasts_the_slowest_deployment(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    upstream.say(piece("Hello"), FINISH, usage(1, 1), DONE)
    upstream.end()
    pump = streaming(ledger, desk, route=a_route(a_target(total_timeout=4000.0), longest=4000.0))

    await ended(pump)

    hold = await hold_of(pump)
    assert (hold.expires_at - hold.created_at).total_seconds() > 4000


async def test_standing_still_is_told_from_going_on(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    upstream.say(piece("Hello"))
    pump = streaming(ledger, desk)
    await read(pump, blocks=1)

    pump.check_stall(time.monotonic(), limit=60)
    upstream.say(FINISH)
    goes_on = await read(pump, blocks=1)
    pump.check_stall(time.monotonic() + 61, limit=60)

    await ended(pump)
    assert goes_on == [FINISH]
    assert (await record_of(pump)).error_code == "upstream_stalled"


async def test_a_model_that_thinks_may_be_silent_for_as_long_as_its_deployment_says(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    upstream.say(piece("Hello"))
    pump = streaming(ledger, desk, route=a_route(a_target(stall_timeout=900.0)))
    await read(pump, blocks=1)

    pump.check_stall(time.monotonic() + 890, limit=30)
    is_going_on = pump.stopping.reason is None
    pump.check_stall(time.monotonic() + 910, limit=30)

    await ended(pump)
    assert is_going_on and pump.stopping.reason == "provider_stalled"


async def test_a_client_that_reads_no_more_is_told_from_a_provider_that_says_no_more(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    upstream.say(*[piece("Hello" * 1_000)] * 20)
    pump = streaming(ledger, desk)
    await pump.delivery.head()
    async with asyncio.timeout(SECONDS):
        while not pump.delivery.is_sending:  # noqa: ASYNC110  # seen from here, it is sending only when it waits
            await asyncio.sleep(0)

    pump.check_stall(time.monotonic() + 61, limit=60)

    await ended(pump)
    record = await record_of(pump)
    assert (record.status, record.error_code) == ("left", "")


async def test_a_process_stops_only_when_calls_that_began_meanwhile_are_settled_as_well(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    upstream.say(piece("Hello"))
    first = streaming(ledger, desk)
    await first.delivery.head()
    stopping = asyncio.create_task(ledger.live.drain(0.2))
    await asyncio.sleep(0)

    other = ScriptedAdapter()
    other.upstream.say(piece("Hello"))
    ledger.providers = Providers({"openai": other}, Health())
    second = streaming(ledger, desk)  # it had been let in before
    await second.delivery.head()
    upstream.say(FINISH)
    upstream.end()
    await stopping

    assert (first.task.done(), second.task.done()) == (True, True)
