"""An answer's life in one event loop, where the test says what happens first: the client, the provider, or the clock.

What students see of it is tested through HTTP. There, two processes race; here, nothing does.
"""

import asyncio
import contextlib
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection

from apps.chat import answers
from apps.chat.charging import most_text
from apps.chat.guarding import Guard, guard_of
from apps.chat.models import Repeat
from apps.chat.outlet import QUEUE_BYTES
from apps.chat.parsing import ChatCall
from apps.chat.plane import Plane
from apps.chat.pump import CLEAN_END_GRACE, Pump
from apps.chat.repeats import ANSWER_BYTES, ONCE, Claim, Repeatable
from apps.common.errors import GatewayError, InternalError, Unavailable
from apps.common.ids import new_id
from apps.conversations.models import Call
from apps.providers.adapters import UpstreamBroken, UpstreamRefused
from apps.quotas.models import Hold
from apps.rules.rulebook import Occasion, Rulebook, Verdict
from tests.chat.unit.desk import Desk
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
from tests.chat.unit.values import a_call, a_principal, a_route, a_rule, a_target

SECONDS = 20.0  # a bound for a busy machine; nothing here takes long


def call_of(desk: Desk, **overrides: Any) -> ChatCall:
    principal = a_principal(
        key_id=desk.key.pk, membership_id=desk.student.pk, course_id=desk.student.course_id, logging="off"
    )
    return replace(a_call(route=a_route(a_target())), id=new_id(), principal=principal, **overrides)


def pump_of(plane: Plane, call: ChatCall, *, repeatable: Repeatable = ONCE, guard: Guard | None = None) -> Pump:
    return Pump(
        plane,
        call,
        Verdict(),
        now=datetime.now(UTC),
        guard=guard,
        on_reserved=lambda: None,
        on_end=lambda: None,
        repeatable=repeatable,
    )


def streaming(plane: Plane, desk: Desk, **overrides: Any) -> Pump:
    """A stream that has been started."""
    pump = pump_of(plane, call_of(desk, is_stream=True, **overrides))
    pump.start()
    return pump


async def ended(pump: Pump) -> None:
    async with asyncio.timeout(SECONDS):
        await asyncio.shield(pump.task)


async def read(pump: Pump, *, blocks: int = 10**6) -> list[bytes]:
    """What the client gets: so many blocks, or all."""
    found: list[bytes] = []
    async with asyncio.timeout(SECONDS):
        await pump.outlet.head()
        async for block in pump.outlet.reader.blocks():
            found.append(block)
            if len(found) == blocks:
                break
    return found


async def failure_of(pump: Pump) -> GatewayError:
    async with asyncio.timeout(SECONDS):
        with pytest.raises(GatewayError) as caught:
            await pump.outlet.head()
    await ended(pump)
    return caught.value


async def state_of(pump: Pump) -> str:
    def look() -> str:
        try:
            return Hold.objects.get(pk=pump.id).state
        finally:
            connection.close()

    return await asyncio.to_thread(look)


async def record_of(pump: Pump) -> Call:
    def look() -> Call:
        try:
            return Call.objects.get(pk=pump.id)
        finally:
            connection.close()

    return await asyncio.to_thread(look)


# Before anything was sent


async def test_a_client_that_left_before_anything_was_sent_costs_nothing(ledger: Plane, desk: Desk) -> None:
    adapter = ScriptedAdapter()
    ledger.adapters = {"openai": adapter}
    pump = pump_of(ledger, call_of(desk))

    pump.start()
    await asyncio.sleep(0)  # it waits for its reservation now
    pump.client_left()
    ledger.writer.start()
    await ended(pump)

    assert (await state_of(pump), adapter.asked) == (Hold.State.RELEASED, 0)


async def test_a_process_that_stops_by_then_sends_nothing_and_says_so(ledger: Plane, desk: Desk) -> None:
    adapter = ScriptedAdapter()
    ledger.adapters = {"openai": adapter}
    pump = pump_of(ledger, call_of(desk))

    pump.start()
    await asyncio.sleep(0)
    pump.halt("shutting_down")
    ledger.writer.start()
    failure = await failure_of(pump)

    assert isinstance(failure, Unavailable)
    assert (failure.code, adapter.asked) == ("shutting_down", 0)


async def test_there_is_no_checkpoint_and_no_stall_before_a_provider_has_accepted(ledger: Plane, desk: Desk) -> None:
    pump = pump_of(ledger, call_of(desk))

    pump.check_stall(time.monotonic() + 1_000, limit=1)

    assert pump.checkpoint() is None


async def test_a_mistake_of_ours_while_relaying_is_said_and_costs_nothing(ledger: Plane, desk: Desk) -> None:
    ledger.adapters = {"openai": ScriptedAdapter(error=ZeroDivisionError())}
    ledger.writer.start()
    pump = pump_of(ledger, call_of(desk))

    pump.start()

    assert isinstance(await failure_of(pump), InternalError)
    assert await state_of(pump) == Hold.State.RELEASED


async def test_a_mistake_of_ours_before_that_is_said_as_well(
    adapter: ScriptedAdapter, ledger: Plane, desk: Desk
) -> None:
    call = call_of(desk)
    first, second = pump_of(ledger, call), pump_of(ledger, call)  # two of the same id, which the ledger refuses
    adapter.upstream.say(completion("Hello"))
    adapter.upstream.end()

    first.start()
    await ended(first)
    second.start()

    assert isinstance(await failure_of(second), InternalError)
    assert ledger.pumps == set()


async def test_a_call_that_no_provider_takes_is_free(ledger: Plane, desk: Desk) -> None:
    refusing = ScriptedAdapter(error=UpstreamRefused("error", detail="500", status=500))
    ledger.adapters = {"openai": refusing}
    ledger.writer.start()
    pump = pump_of(ledger, call_of(desk))

    pump.start()

    assert (await failure_of(pump)).code == "upstream_error"
    assert await state_of(pump) == Hold.State.RELEASED


async def test_a_call_that_does_not_fit_into_the_week_is_never_sent(
    adapter: ScriptedAdapter, ledger: Plane, desk: Desk
) -> None:
    pump = pump_of(ledger, call_of(desk, size=100_000_000))

    pump.start()

    assert (await failure_of(pump)).code == "insufficient_quota"
    assert adapter.asked == 0


# The usual way


async def test_a_plain_answer_leaves_once_it_is_settled(upstream: ScriptedUpstream, ledger: Plane, desk: Desk) -> None:
    pump = pump_of(ledger, call_of(desk))
    body = completion("Hello", "Hi", usage={"prompt_tokens": 3, "completion_tokens": 2})
    upstream.say(body)
    upstream.end()

    pump.start()
    async with asyncio.timeout(SECONDS):
        head = await pump.outlet.head()

    assert (head.body, head.balances[0].used) == (body, 5)
    await ended(pump)


async def test_a_stream_that_goes_on_after_its_last_event_is_ended_as_answered(
    upstream: ScriptedUpstream, ledger: Plane, desk: Desk
) -> None:
    upstream.say(piece("Hello"), FINISH, usage(3, 1), DONE)  # and no end of the connection
    pump = streaming(ledger, desk)

    blocks = await read(pump)

    await ended(pump)
    assert blocks == [piece("Hello"), FINISH, DONE]
    assert ((await record_of(pump)).status, upstream.is_closed) == ("answered", True)


async def test_a_provider_that_goes_on_talking_after_its_last_event_is_not_listened_to(
    upstream: ScriptedUpstream, ledger: Plane, desk: Desk
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
    upstream: ScriptedUpstream, ledger: Plane, desk: Desk
) -> None:
    filling = piece("x" * QUEUE_BYTES)
    upstream.say(filling, piece("the end") + FINISH + DONE)
    pump = streaming(ledger, desk)
    await pump.outlet.head()
    async with asyncio.timeout(SECONDS):
        while not pump.outlet.is_sending:  # noqa: ASYNC110  # seen from here, it is sending only when it waits
            await asyncio.sleep(0)

    pump.halt("client_stalled")
    blocks = b"".join(await read(pump))

    await ended(pump)
    assert b"the end" in blocks or not blocks.endswith(DONE)


async def test_an_event_in_two_pieces_is_relayed_once_it_is_whole(
    upstream: ScriptedUpstream, ledger: Plane, desk: Desk
) -> None:
    whole = piece("Hello")
    upstream.say(whole[:10], whole[10:], FINISH)
    upstream.end()
    pump = streaming(ledger, desk)

    assert await read(pump) == [whole, FINISH, DONE]
    await ended(pump)


# What a crash would cost


async def test_the_checkpoint_grows_with_the_text_and_ends_at_the_report(
    upstream: ScriptedUpstream, ledger: Plane, desk: Desk
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
    pump.halt("shutting_down")
    await ended(pump)


async def test_answers_with_several_choices_have_checkpoints_as_well(
    upstream: ScriptedUpstream, ledger: Plane, desk: Desk
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
    upstream: ScriptedUpstream, ledger: Plane, desk: Desk
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


# A client that leaves, or reads no more


async def test_a_client_that_left_waits_for_the_usage_and_then_stops_the_provider(
    upstream: ScriptedUpstream, ledger: Plane, desk: Desk
) -> None:
    upstream.say(piece("Hello"))
    pump = streaming(ledger, desk)
    await read(pump, blocks=1)

    pump.client_left()
    upstream.say(FINISH, usage(200, 100), DONE)
    await ended(pump)

    record = await record_of(pump)
    assert (record.status, record.charged, record.is_estimated) == ("answered", 300, False)


async def test_no_more_than_two_seconds_though(upstream: ScriptedUpstream, ledger: Plane, desk: Desk) -> None:
    upstream.say(piece("Hello"))
    pump = streaming(ledger, desk)
    await read(pump, blocks=1)

    pump.client_left()
    await ended(pump)

    record = await record_of(pump)
    assert (record.status, record.is_estimated, upstream.is_closed) == ("left", True, True)


async def test_the_first_reason_to_end_counts(upstream: ScriptedUpstream, ledger: Plane, desk: Desk) -> None:
    upstream.say(piece("Hello"))
    pump = streaming(ledger, desk)
    await read(pump, blocks=1)

    pump.halt("provider_stalled")
    pump.halt("shutting_down")
    last = (await read(pump))[-1]

    await ended(pump)
    assert b"upstream_stalled" in last


async def test_a_client_that_leaves_while_the_answer_is_being_ended_changes_nothing(
    upstream: ScriptedUpstream, ledger: Plane, desk: Desk, settings: Any
) -> None:
    settings.REQUEST_TIMEOUT = 0.2
    upstream.say(piece("Hello"))
    pump = streaming(ledger, desk)
    upstream.on_close = pump.client_left  # at the very moment when the limit has passed

    await ended(pump)

    assert (await record_of(pump)).status == "left"


async def test_an_answer_that_takes_too_long_is_ended(
    upstream: ScriptedUpstream, ledger: Plane, desk: Desk, settings: Any
) -> None:
    settings.REQUEST_TIMEOUT = 0.2
    upstream.say(piece("Hello"))
    pump = streaming(ledger, desk)

    last = (await read(pump))[-1]

    await ended(pump)
    assert b"upstream_timeout" in last


async def test_standing_still_is_told_from_going_on(upstream: ScriptedUpstream, ledger: Plane, desk: Desk) -> None:
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


async def test_a_client_that_reads_no_more_is_told_from_a_provider_that_says_no_more(
    upstream: ScriptedUpstream, ledger: Plane, desk: Desk
) -> None:
    upstream.say(*[piece("Hello" * 1_000)] * 20)
    pump = streaming(ledger, desk)
    await pump.outlet.head()
    async with asyncio.timeout(SECONDS):
        while not pump.outlet.is_sending:  # noqa: ASYNC110  # seen from here, it is sending only when it waits
            await asyncio.sleep(0)

    pump.check_stall(time.monotonic() + 61, limit=60)

    await ended(pump)
    record = await record_of(pump)
    assert (record.status, record.error_code) == ("left", "")


async def test_an_answer_that_is_cut_off_with_its_loop_has_no_clean_end(
    upstream: ScriptedUpstream, ledger: Plane, desk: Desk
) -> None:
    upstream.say(piece("Hello"))
    pump = pump_of(ledger, call_of(desk, is_stream=True), repeatable=RETRIED)
    pump.start()
    await read(pump, blocks=1)

    pump.task.cancel()
    blocks = await read(pump)

    assert DONE not in blocks
    assert b"shutting_down" in blocks[-1]


async def test_a_process_stops_only_when_calls_that_began_meanwhile_are_settled_as_well(
    upstream: ScriptedUpstream, ledger: Plane, desk: Desk
) -> None:
    first = streaming(ledger, desk)
    await first.outlet.head()
    stopping = asyncio.create_task(ledger.drain(seconds=0.2))
    await asyncio.sleep(0)

    ledger.adapters = {"openai": ScriptedAdapter()}
    second = streaming(ledger, desk)  # it had been let in before
    await second.outlet.head()
    upstream.say(piece("Hello"), FINISH)
    upstream.end()
    await stopping

    assert (first.task.done(), second.task.done()) == (True, True)


# A provider that fails


async def test_what_came_before_a_provider_broke_off_is_delivered_and_charged(
    upstream: ScriptedUpstream, ledger: Plane, desk: Desk
) -> None:
    error = event({"error": {"message": "acct_secret"}})
    upstream.say(piece("Hello") + error)
    pump = streaming(ledger, desk)

    first, last = await read(pump)

    await ended(pump)
    assert (first, b"upstream_interrupted" in last, b"acct_secret" in last) == (piece("Hello"), True, False)
    assert (await record_of(pump)).charged > 0


async def test_an_error_at_the_very_beginning_is_free(upstream: ScriptedUpstream, ledger: Plane, desk: Desk) -> None:
    upstream.say(event({"error": {"message": "no"}}))
    pump = streaming(ledger, desk)

    (last,) = await read(pump)

    await ended(pump)
    assert b'"charged":0' in last
    assert await state_of(pump) == Hold.State.RELEASED


async def test_a_connection_that_breaks_is_an_interruption(
    upstream: ScriptedUpstream, ledger: Plane, desk: Desk
) -> None:
    upstream.fail(UpstreamBroken("reset"))
    pump = streaming(ledger, desk)

    (last,) = await read(pump)

    await ended(pump)
    assert b"upstream_interrupted" in last


async def test_a_mistake_of_ours_in_the_middle_is_an_error_event(
    upstream: ScriptedUpstream, ledger: Plane, desk: Desk
) -> None:
    upstream.say(piece("Hello"))
    upstream.fail(ZeroDivisionError())
    pump = streaming(ledger, desk)

    last = (await read(pump))[-1]

    await ended(pump)
    assert b'"internal_error"' in last


# What providers report


def report(**counts: Any) -> bytes:
    return event({"choices": [], "usage": counts})


TEXT = piece("a" * 300)  # about 100 tokens, and the prompt about 34
REPORTS: dict[str, tuple[list[bytes], int, bool]] = {
    # what the provider says -> charge, whether it is an estimate
    "once": ([TEXT, FINISH, usage(40, 60)], 100, False),
    "zero": ([TEXT, FINISH, usage(0, 0)], 0, False),
    "twice": ([TEXT, FINISH, usage(1, 1), usage(40, 60)], 100, False),
    "with every piece": ([usage(40, 0), TEXT, usage(40, 60), FINISH], 100, False),
    "in the middle only": ([usage(40, 0), TEXT, FINISH], 135, True),
    "much, and in the middle": ([usage(300, 0), TEXT, FINISH], 300, False),
    "nothing": ([TEXT, FINISH], 135, True),
    "null": ([TEXT, FINISH, event({"choices": [], "usage": None})], 135, True),
    "no counts": ([TEXT, FINISH, report()], 135, True),
    "only the prompt": ([TEXT, FINISH, report(prompt_tokens=40)], 135, True),
    "the prompt and all": ([TEXT, FINISH, report(prompt_tokens=40, total_tokens=100)], 100, False),
    "less than nothing": ([TEXT, FINISH, report(prompt_tokens=-40, completion_tokens=-60)], 135, True),
    "words": ([TEXT, FINISH, report(prompt_tokens="40", completion_tokens="60")], 135, True),
    "a list": ([TEXT, FINISH, event({"choices": [], "usage": [40, 60]})], 135, True),
    "sense, then nonsense": ([TEXT, FINISH, usage(40, 60), report(prompt_tokens=None)], 100, False),
    "four times what was held": ([TEXT, FINISH, usage(0, 4 * 242)], 968, False),
    "more than that": ([TEXT, FINISH, usage(0, 10**9)], 968, True),
}


@pytest.mark.parametrize("name", REPORTS)
async def test_what_is_charged_for_what_a_provider_reports(
    upstream: ScriptedUpstream, ledger: Plane, desk: Desk, name: str
) -> None:
    chunks, charged, is_estimated = REPORTS[name]
    upstream.say(*chunks)
    upstream.end()
    pump = streaming(ledger, desk, max_output=200)

    await read(pump)

    await ended(pump)
    record = await record_of(pump)
    assert (record.status, record.charged, record.is_estimated) == ("answered", charged, is_estimated)


async def test_a_report_in_the_middle_does_not_make_a_crash_cheaper(
    upstream: ScriptedUpstream, ledger: Plane, desk: Desk
) -> None:
    upstream.say(usage(40, 0), TEXT)
    pump = streaming(ledger, desk)
    await read(pump, blocks=1)

    point = pump.checkpoint()

    pump.halt("shutting_down")
    await ended(pump)
    assert point is not None
    assert point.amount == 135


async def test_an_answer_far_beyond_what_it_may_cost_is_ended(
    upstream: ScriptedUpstream, ledger: Plane, desk: Desk
) -> None:
    upstream.say(piece("Hello"), piece("x" * most_text(2)))
    pump = streaming(ledger, desk, max_output=2)

    first, last = await read(pump)

    await ended(pump)
    assert (first, b"upstream_interrupted" in last) == (piece("Hello"), True)


# Rules on answers


def guarded(plane: Plane, call: ChatCall, *, action: str) -> Pump:
    """An answer in which a rule looks for EXAM."""
    rule = a_rule(direction="answer", pattern="EXAM", action=action, message="Not that.", replacement="[code]")
    occasion = Occasion(direction="answer", now=datetime.now(UTC), timezone="UTC")
    pump = pump_of(plane, call, guard=guard_of(call, Rulebook.of([rule]), occasion=occasion))
    pump.start()
    return pump


async def test_a_plain_answer_leaves_as_the_rules_let_it(upstream: ScriptedUpstream, ledger: Plane, desk: Desk) -> None:
    upstream.say(completion("The EXAM is easy"))
    upstream.end()
    pump = guarded(ledger, call_of(desk), action="redact")

    async with asyncio.timeout(SECONDS):
        head = await pump.outlet.head()

    await ended(pump)
    assert b"The [code] is easy" in (head.body or b"")


@pytest.mark.parametrize("breaks", [False, True], ids=["whole", "broken off"])
async def test_what_rules_have_held_of_a_stream_leaves_at_its_end(
    upstream: ScriptedUpstream, ledger: Plane, desk: Desk, breaks: bool
) -> None:
    upstream.say(piece("Hello EXA"))
    if breaks:
        upstream.fail(UpstreamBroken("reset"))
    else:
        upstream.say(FINISH)
        upstream.end()
    pump = guarded(ledger, call_of(desk, is_stream=True), action="redact")

    blocks = b"".join(await read(pump))

    await ended(pump)
    assert b"EXA" in blocks
    assert blocks.endswith(DONE) is not breaks


async def test_nothing_held_leaves_when_we_end_the_answer(
    upstream: ScriptedUpstream, ledger: Plane, desk: Desk
) -> None:
    upstream.say(piece("Hello EXA"))
    pump = guarded(ledger, call_of(desk, is_stream=True), action="redact")
    async with asyncio.timeout(SECONDS):
        await pump.outlet.head()

    pump.halt("shutting_down")
    blocks = b"".join(await read(pump))

    await ended(pump)
    assert b"shutting_down" in blocks


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
async def test_an_answer_that_a_rule_stops_is_blocked_and_charged(
    upstream: ScriptedUpstream, ledger: Plane, desk: Desk, stream: bool
) -> None:
    upstream.say(*([piece("The EXAM is easy"), FINISH] if stream else [completion("The EXAM is easy")]))
    upstream.end()
    pump = guarded(ledger, call_of(desk, is_stream=stream), action="block")

    with contextlib.suppress(GatewayError):
        await read(pump)

    await ended(pump)
    record = await record_of(pump)
    assert (record.status, record.charged > 0) == ("blocked", True)


async def test_a_mistake_of_ours_while_rules_look_at_it_gives_the_hold_back(
    upstream: ScriptedUpstream, ledger: Plane, desk: Desk
) -> None:
    deep: Any = 1
    for _ in range(300):  # which can be read, but not written down again
        deep = [deep]
    upstream.say(completion("The EXAM is easy", deep=deep))
    upstream.end()
    pump = guarded(ledger, call_of(desk), action="redact")

    failure = await failure_of(pump)

    assert (type(failure), await state_of(pump)) == (InternalError, Hold.State.RELEASED)


# Repeats


RETRIED = Repeatable(digest=b"the request's")


def claimed(desk: Desk) -> tuple[ChatCall, Repeatable]:
    """A call with an Idempotency-Key."""
    call = call_of(desk, is_stream=True)
    claim = Claim.of("key", b"body", call=call.id, membership=desk.student.pk, now=datetime.now(UTC))
    return call, Repeatable(claim=claim)


async def kept_of(call: ChatCall) -> Repeat | None:
    def look() -> Repeat | None:
        try:
            return Repeat.objects.filter(call=call.id).first()
        finally:
            connection.close()

    return await asyncio.to_thread(look)


def found(ledger: Plane) -> Any:
    return ledger.retries.find(RETRIED.digest or b"", now=time.monotonic())


async def test_who_takes_over_gets_the_answer_from_its_first_block_and_the_provider_is_not_stopped(
    upstream: ScriptedUpstream, ledger: Plane, desk: Desk
) -> None:
    upstream.say(piece("Hello"))
    pump = pump_of(ledger, call_of(desk, is_stream=True), repeatable=RETRIED)
    pump.start()
    await read(pump, blocks=1)
    pump.client_left(pump.outlet.reader)
    deserted = found(ledger)

    pump.join()
    upstream.say(piece(" you"), FINISH)
    upstream.end()
    blocks = await read(pump)

    await ended(pump)
    assert deserted is pump
    assert blocks == [piece("Hello"), piece(" you"), FINISH, DONE]
    assert found(ledger).content == b"".join(blocks)


async def test_a_client_that_has_been_taken_over_from_can_go(
    upstream: ScriptedUpstream, ledger: Plane, desk: Desk
) -> None:
    upstream.say(piece("Hello"))
    pump = pump_of(ledger, call_of(desk, is_stream=True), repeatable=RETRIED)
    pump.start()
    await read(pump, blocks=1)
    first = pump.outlet.reader
    pump.join()

    pump.client_left(first)

    was_noticed = pump.is_deserted
    pump.client_left(pump.outlet.reader)
    assert (was_noticed, pump.is_deserted) == (False, True)
    upstream.say(FINISH)
    upstream.end()
    await ended(pump)


async def test_who_comes_back_before_anything_was_sent_finds_it_sent(ledger: Plane, desk: Desk) -> None:
    adapter = ScriptedAdapter()
    ledger.adapters = {"openai": adapter}
    pump = pump_of(ledger, call_of(desk), repeatable=RETRIED)
    pump.start()
    await asyncio.sleep(0)  # it waits for its reservation now
    pump.client_left(pump.outlet.reader)

    pump.join()
    ledger.writer.start()
    adapter.upstream.say(completion("Hello"))
    adapter.upstream.end()
    async with asyncio.timeout(SECONDS):
        head = await pump.outlet.head()

    await ended(pump)
    assert head.body == found(ledger).content == completion("Hello")


async def test_an_answer_that_is_being_ended_or_has_failed_cannot_be_joined(
    upstream: ScriptedUpstream, ledger: Plane, desk: Desk, settings: Any
) -> None:
    settings.REQUEST_TIMEOUT = 0.2
    upstream.say(piece("Hello"))
    pump = pump_of(ledger, call_of(desk, is_stream=True), repeatable=RETRIED)
    seen: list[bool] = []
    upstream.on_close = lambda: seen.append(pump.can_be_joined)  # at the very moment when the limit has passed
    pump.start()

    await read(pump)

    await ended(pump)
    assert [*seen, pump.can_be_joined, found(ledger)] == [False, False, None]


async def test_an_answer_that_we_end_cannot_be_joined(upstream: ScriptedUpstream, ledger: Plane, desk: Desk) -> None:
    upstream.say(piece("Hello"))
    pump = pump_of(ledger, call_of(desk, is_stream=True), repeatable=RETRIED)
    pump.start()
    await read(pump, blocks=1)

    pump.halt("shutting_down")

    assert not pump.can_be_joined
    await ended(pump)


async def test_to_come_back_after_the_last_event_does_not_keep_the_provider(
    upstream: ScriptedUpstream, ledger: Plane, desk: Desk
) -> None:
    upstream.say(piece("Hello"), FINISH, DONE)  # and no end of the connection
    pump = pump_of(ledger, call_of(desk, is_stream=True), repeatable=RETRIED)
    pump.start()
    await read(pump, blocks=2)
    pump.client_left()

    pump.join()

    assert b"".join(await read(pump)) == piece("Hello") + FINISH + DONE
    await ended(pump)


async def test_a_claimed_answer_goes_on_without_its_client_and_is_kept(
    upstream: ScriptedUpstream, ledger: Plane, desk: Desk
) -> None:
    call, repeatable = claimed(desk)
    upstream.say(piece("Hello"))
    pump = pump_of(ledger, call, repeatable=repeatable)
    pump.start()
    await read(pump, blocks=1)

    pump.client_left(pump.outlet.reader)
    upstream.say(FINISH)
    upstream.end()
    await ended(pump)

    kept = await kept_of(call)
    assert kept is not None
    stored = await answers.unseal(kept.answer, claim=kept.pk)
    assert stored is not None
    assert (kept.state, stored.content) == ("done", piece("Hello") + FINISH + DONE)


async def test_a_claimed_answer_that_is_too_long_is_done_and_not_kept(
    upstream: ScriptedUpstream, ledger: Plane, desk: Desk
) -> None:
    call, repeatable = claimed(desk)
    call = replace(call, max_output=40_000, route=replace(call.route, max_output_tokens=40_000))
    upstream.say(piece("x" * ANSWER_BYTES), FINISH)
    upstream.end()
    pump = pump_of(ledger, call, repeatable=repeatable)
    pump.start()
    await read(pump)
    await ended(pump)

    kept = await kept_of(call)
    assert kept is not None
    assert (kept.state, kept.answer) == ("done", "")


async def test_a_claimed_answer_that_broke_off_leaves_nothing(
    upstream: ScriptedUpstream, ledger: Plane, desk: Desk
) -> None:
    call, repeatable = claimed(desk)
    upstream.say(piece("Hello"))
    upstream.fail(UpstreamBroken("reset"))
    pump = pump_of(ledger, call, repeatable=repeatable)
    pump.start()
    await read(pump)
    await ended(pump)

    assert await kept_of(call) is None


async def test_of_two_with_the_same_claim_the_second_is_told_to_wait(
    upstream: ScriptedUpstream, ledger: Plane, desk: Desk
) -> None:
    (first, repeatable), (second, same) = claimed(desk), claimed(desk)
    pumps = pump_of(ledger, first, repeatable=repeatable), pump_of(ledger, second, repeatable=same)
    upstream.say(piece("Hello"), FINISH)
    upstream.end()

    for pump in pumps:
        pump.start()
    failure = await failure_of(pumps[1])
    await read(pumps[0])
    await ended(pumps[0])

    assert failure.code == "idempotency_in_flight"
    assert await kept_of(second) is None
