"""An answer's life in one event loop, where the test says what happens first: the client, the provider, or the clock.

What students see of it is tested through HTTP. There, two processes race; here, nothing does.
"""

import asyncio
import contextlib
import time
from dataclasses import replace
from typing import Any

import pytest

from apps.chat.call import ChatCall
from apps.chat.relay.attempts import Providers
from apps.chat.relay.delivery import QUEUE_BYTES
from apps.chat.relay.stopping import CLEAN_END_GRACE
from apps.chat.runtime import ChatRuntime
from apps.common.errors import InternalError, Unavailable
from apps.conversations.spool import files, writer
from apps.providers.adapters.protocol import UpstreamBroken, UpstreamRefused
from apps.providers.health.memory import Health
from apps.quotas.models import Hold
from tests.chat.unit.desk import Desk
from tests.chat.unit.pumps import (
    BRIEF,
    SECONDS,
    call_of,
    ended,
    failure_of,
    hold_of,
    pump_of,
    read,
    record_of,
    state_of,
    streaming,
)
from tests.chat.unit.test_transcripts import spooled, turns
from tests.chat.unit.upstreams import (
    DONE,
    FINISH,
    ScriptedAdapter,
    ScriptedUpstream,
    completion,
    event,
    piece,
    usage,
)
from tests.chat.unit.values import a_route, a_target

# Before anything was sent


async def test_a_client_that_left_before_anything_was_sent_costs_nothing(ledger: ChatRuntime, desk: Desk) -> None:
    adapter = ScriptedAdapter()
    ledger.providers = Providers({"openai": adapter}, Health())
    pump = pump_of(ledger, call_of(desk))

    pump.start()
    await asyncio.sleep(0)  # it waits for its reservation now
    pump.client_left()
    ledger.plane.writer.start()
    await ended(pump)

    assert (await state_of(pump), adapter.asked) == (Hold.State.RELEASED, 0)


async def test_a_process_that_stops_by_then_sends_nothing_and_says_so(ledger: ChatRuntime, desk: Desk) -> None:
    adapter = ScriptedAdapter()
    ledger.providers = Providers({"openai": adapter}, Health())
    pump = pump_of(ledger, call_of(desk))

    pump.start()
    await asyncio.sleep(0)
    pump.stop("shutting_down")
    ledger.plane.writer.start()
    failure = await failure_of(pump)

    assert isinstance(failure, Unavailable)
    assert (failure.code, adapter.asked) == ("shutting_down", 0)


async def test_there_is_no_checkpoint_and_no_stall_before_a_provider_has_accepted(
    ledger: ChatRuntime, desk: Desk
) -> None:
    pump = pump_of(ledger, call_of(desk))

    pump.check_stall(time.monotonic() + 1_000, limit=1)

    assert pump.checkpoint() is None


async def test_a_mistake_of_ours_while_relaying_is_said_and_costs_nothing(ledger: ChatRuntime, desk: Desk) -> None:
    ledger.providers = Providers({"openai": ScriptedAdapter(error=ZeroDivisionError())}, Health())
    ledger.plane.writer.start()
    pump = pump_of(ledger, call_of(desk))

    pump.start()

    assert isinstance(await failure_of(pump), InternalError)
    assert await state_of(pump) == Hold.State.RELEASED


async def test_a_mistake_of_ours_before_that_is_said_as_well(
    adapter: ScriptedAdapter, ledger: ChatRuntime, desk: Desk
) -> None:
    call = call_of(desk)
    first, second = pump_of(ledger, call), pump_of(ledger, call)  # two of the same id, which the ledger refuses
    adapter.upstream.say(completion("Hello"))
    adapter.upstream.end()

    first.start()
    await ended(first)
    second.start()

    assert isinstance(await failure_of(second), InternalError)
    assert len(ledger.live) == 0


async def test_a_call_that_no_provider_takes_is_free(ledger: ChatRuntime, desk: Desk) -> None:
    refusing = ScriptedAdapter(error=UpstreamRefused("error", detail="500", status=500))
    ledger.providers = Providers({"openai": refusing}, Health())
    ledger.plane.writer.start()
    pump = pump_of(ledger, call_of(desk))

    pump.start()

    assert (await failure_of(pump)).code == "upstream_error"
    assert await state_of(pump) == Hold.State.RELEASED


async def test_a_call_that_does_not_fit_into_the_week_is_never_sent(
    adapter: ScriptedAdapter, ledger: ChatRuntime, desk: Desk
) -> None:
    pump = pump_of(ledger, call_of(desk, size=100_000_000))

    pump.start()

    assert (await failure_of(pump)).code == "insufficient_quota"
    assert adapter.asked == 0


# The usual way


async def test_a_plain_answer_leaves_once_it_is_settled(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    pump = pump_of(ledger, call_of(desk))
    body = completion("Hello", "Hi", usage={"prompt_tokens": 3, "completion_tokens": 2})
    upstream.say(body)
    upstream.end()

    pump.start()
    async with asyncio.timeout(SECONDS):
        head = await pump.delivery.head()

    assert (head.body, head.balances[0].used) == (body, 5)
    await ended(pump)


async def test_a_stream_that_goes_on_after_its_last_event_is_ended_as_answered(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    upstream.say(piece("Hello"), FINISH, usage(3, 1), DONE)  # and no end of the connection
    pump = streaming(ledger, desk)

    blocks = await read(pump)

    await ended(pump)
    assert blocks == [piece("Hello"), FINISH, DONE]
    assert ((await record_of(pump)).status, upstream.is_closed) == ("answered", True)


async def test_a_provider_that_goes_on_talking_after_its_last_event_is_not_listened_to(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    upstream.say(piece("Hello"), FINISH, DONE)
    pump = streaming(ledger, desk)

    async def talk() -> None:
        while not upstream.is_closed:
            upstream.say(b": still here\n\n")
            await asyncio.sleep(CLEAN_END_GRACE / 10)

    talking = asyncio.create_task(talk())
    async with asyncio.timeout(10 * CLEAN_END_GRACE):
        blocks = await read(pump)

    await talking
    await ended(pump)
    assert blocks == [piece("Hello"), FINISH, DONE]


async def test_a_last_piece_that_the_client_never_took_makes_no_clean_end(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    filling = piece("x" * QUEUE_BYTES)
    upstream.say(filling, piece("the end") + FINISH + DONE)
    pump = streaming(ledger, desk)
    await pump.delivery.head()
    async with asyncio.timeout(SECONDS):
        while not pump.delivery.is_sending:  # noqa: ASYNC110  # seen from here, it is sending only when it waits
            await asyncio.sleep(0)

    pump.stop("client_stalled")
    blocks = b"".join(await read(pump))

    await ended(pump)
    assert b"the end" in blocks or not blocks.endswith(DONE)


async def test_an_event_in_two_pieces_is_relayed_once_it_is_whole(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    whole = piece("Hello")
    upstream.say(whole[:10], whole[10:], FINISH)
    upstream.end()
    pump = streaming(ledger, desk)

    assert await read(pump) == [whole, FINISH, DONE]
    await ended(pump)


# What a crash would cost


async def test_the_checkpoint_grows_with_the_text_and_ends_at_the_report(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    pump = streaming(ledger, desk)
    amounts = []
    for chunk in (piece("a" * 30), piece("b" * 30), event({"choices": [{"index": 0, "delta": {}}], "usage": None})):
        upstream.say(chunk)
        await read(pump, blocks=1)
        amounts.append(pump.checkpoint())
    upstream.say(usage(200, 100), FINISH)
    await read(pump, blocks=1)

    reported = pump.checkpoint()

    first, second, third = (point.amount for point in amounts if point is not None)
    assert (second - first, third) == (10, second)
    assert reported is not None
    assert reported.amount == 300
    pump.stop("shutting_down")
    await ended(pump)


async def test_answers_with_several_choices_have_checkpoints_as_well(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    upstream.say(piece("a" * 30), piece("b" * 30, index=1), FINISH)
    pump = streaming(ledger, desk, choices=2)
    await read(pump, blocks=3)

    point = pump.checkpoint()

    upstream.end()
    await ended(pump)
    assert point is not None
    assert point.amount > 60 / 3


async def test_what_was_on_disk_before_a_second_choice_began_is_followed_by_all_the_rest(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    upstream.say(piece("one,"), piece(" two,"))
    call = call_of(desk, is_stream=True, choices=2)
    pump = pump_of(ledger, replace(call, principal=replace(call.principal, logging="full")))
    pump.start()
    await read(pump, blocks=2)

    pump.checkpoint()
    upstream.say(piece(" three"), piece("four", index=1), FINISH)
    upstream.end()
    await ended(pump)

    answer = [text for _, message, _, text in turns(spooled(ledger)) if message is None]
    assert answer == ["one, two,", " three\n\nfour"]


# Its text


def kept_call(desk: Desk) -> ChatCall:
    call = call_of(desk, is_stream=True)
    return replace(call, principal=replace(call.principal, logging="full"))


async def test_its_text_is_on_disk_before_it_is_charged(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    """A process that is killed right after the charge has not lost what was charged for."""
    ledger.spool.stop()  # so that its own thread brings nothing to disk
    on_disk: list[int] = []
    ledger.plane.writer.before_each(lambda: on_disk.append(len(records_in(ledger))))
    upstream.say(piece("Hello"), FINISH, usage(200, 100), DONE)
    upstream.end()
    pump = pump_of(ledger, kept_call(desk))
    pump.start()

    await read(pump)
    await ended(pump)

    assert await state_of(pump) == Hold.State.SETTLED
    assert on_disk == [0, 1]  # before it was reserved and before it was settled


async def test_a_disk_that_does_not_take_it_keeps_nobody_waiting(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "PATIENCE_SECONDS", 0.01)
    upstream.say(piece("Hello"), FINISH, usage(200, 100), DONE)
    upstream.end()
    with contextlib.closing(files.connect(ledger.spool.path)) as file:
        file.execute("BEGIN IMMEDIATE")
        pump = pump_of(ledger, kept_call(desk))
        pump.start()

        assert (await read(pump))[-1] == DONE
        assert await state_of(pump) == Hold.State.SETTLED

    assert len(spooled(ledger)) == 1


def records_in(runtime: ChatRuntime) -> list[Any]:
    with contextlib.closing(files.connect(runtime.spool.path)) as file:
        return file.execute("SELECT id FROM records").fetchall()


# A client that leaves, or reads no more


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


# A provider that fails


async def test_what_came_before_a_provider_broke_off_is_delivered_and_charged(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    error = event({"error": {"message": "acct_secret"}})
    upstream.say(piece("Hello") + error)
    pump = streaming(ledger, desk)

    first, last = await read(pump)

    await ended(pump)
    assert (first, b"upstream_interrupted" in last, b"acct_secret" in last) == (piece("Hello"), True, False)
    assert (await record_of(pump)).charged > 0


async def test_an_error_at_the_very_beginning_is_a_status_and_free(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    upstream.say(*[event({"error": {"message": "no"}})] * 2)  # it is asked once more
    pump = streaming(ledger, desk)

    failure = await failure_of(pump)

    assert (failure.code, failure.charged, upstream.is_closed) == ("upstream_error", 0, True)
    assert await state_of(pump) == Hold.State.RELEASED


async def test_a_connection_that_breaks_is_an_interruption(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    upstream.say(piece("Hello"))
    upstream.fail(UpstreamBroken("reset"))
    pump = streaming(ledger, desk)

    first, last = await read(pump)

    await ended(pump)
    assert (first, b"upstream_interrupted" in last) == (piece("Hello"), True)


async def test_a_plain_answer_that_breaks_off_is_a_status_and_free(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    upstream.say(completion("Hello")[:20])
    upstream.end()
    pump = pump_of(ledger, call_of(desk))

    pump.start()

    assert (await failure_of(pump)).code == "upstream_error"
    assert await state_of(pump) == Hold.State.RELEASED


async def test_an_answer_without_a_word_that_is_whole_is_an_answer(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    """A model that spent its output cap on thinking, for example. It would do the same elsewhere."""
    upstream.say(FINISH, usage(3, 40), DONE)
    upstream.end()
    pump = streaming(ledger, desk)

    assert await read(pump) == [FINISH, DONE]
    assert (await record_of(pump)).charged == 43


async def test_a_mistake_of_ours_in_the_middle_is_an_error_event(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    upstream.say(piece("Hello"))
    upstream.fail(ZeroDivisionError())
    pump = streaming(ledger, desk)

    last = (await read(pump))[-1]

    await ended(pump)
    assert b'"internal_error"' in last


async def test_an_answer_that_somebody_reads_is_not_stopped_for_want_of_a_reader(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    """The next attempt went back to the first one's process, while one at another process gave up."""
    upstream.say(piece("Hello"))
    pump = streaming(ledger, desk)
    await read(pump, blocks=1)

    pump.stop_if_unread()
    assert not pump.is_orphaned
    upstream.say(FINISH, usage(200, 100), DONE)
    upstream.end()

    assert (await read(pump))[-1] == DONE
    assert (await record_of(pump)).status == "answered"
