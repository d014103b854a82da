"""An answer's life in one event loop, from its first event to its charge and its text."""

import asyncio
import contextlib
from dataclasses import replace
from typing import Any

import pytest

from apps.chat.call import ChatCall
from apps.chat.relay.delivery import QUEUE_BYTES
from apps.chat.relay.stopping import CLEAN_END_GRACE
from apps.chat.runtime import ChatRuntime
from apps.conversations.spool import files, writer
from apps.quotas.models import Hold
from tests.chat.unit.desk import Desk
from tests.chat.unit.pumps import SECONDS, call_of, ended, pump_of, read, record_of, state_of, streaming
from tests.chat.unit.test_transcripts import spooled, turns
from tests.chat.unit.upstreams import DONE, FINISH, ScriptedUpstream, completion, event, piece, usage

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
    pump = pump_of(ledger, call._replace(principal=replace(call.principal, logging="full")))
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
    return call._replace(principal=replace(call.principal, logging="full"))


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
