"""The queue between a pump and its response."""

import asyncio
import json
from typing import Any

import pytest

from apps.chat.accounting.reservations import Reservation
from apps.chat.call import Accepted
from apps.chat.dialects.openai_chat import OPENAI_CHAT
from apps.chat.dialects.openai_chat.answer import DONE
from apps.chat.idempotency.keys import ANSWER_BYTES
from apps.chat.idempotency.recent import ReplayBudget
from apps.chat.relay import delivery as module
from apps.chat.relay.delivery import QUEUE_BYTES, Delivery
from apps.chat.relay.head import AnswerHead
from apps.common.errors import Unavailable, UpstreamFailed
from apps.providers.adapters.echo import EchoUpstream
from apps.providers.adapters.protocol import Outgoing
from apps.providers.routing import Candidate
from apps.rules.rulebook import Verdict
from tests.chat.unit.values import a_target

SECONDS = 5.0
FULL = 8  # blocks that fill the queue
BLOCK = b"x" * (QUEUE_BYTES // FULL)
FAILURE = UpstreamFailed("upstream_interrupted", "It broke off.", charged=7)


def a_head(body: bytes | None = None) -> AnswerHead:
    outgoing = Outgoing(
        dialect="openai_chat", body={"messages": [{"role": "user", "content": "x"}]}, is_stream=True, request_id="r"
    )
    upstream, reader = EchoUpstream(outgoing, model="m"), OPENAI_CHAT.stream_reader(wants_usage=False)
    opened = Accepted(upstream, Candidate(a_target(), None), 1, reader, first=b"", rest=upstream.chunks())
    reservation = Reservation(amount=1, input_estimate=1, floor=1, output=1, is_capped=False, balances=())
    return AnswerHead(opened, reservation, Verdict(), (), body)


@pytest.fixture
async def delivery() -> Delivery:
    return Delivery(request_id="r", dialect=OPENAI_CHAT)


@pytest.fixture
async def begun(delivery: Delivery) -> Delivery:
    """A stream whose answer has begun."""
    delivery.begin(a_head())
    return delivery


async def blocks_of(delivery: Delivery) -> list[bytes]:
    async with asyncio.timeout(SECONDS):
        return [block async for block in delivery.reader.blocks()]


async def settle() -> None:
    """Let every other task go as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def filled(delivery: Delivery) -> "asyncio.Task[None]":
    """Put in more than it holds; the task that waits to put in the rest."""

    async def put_all() -> None:
        for number in range(FULL + 1):
            await delivery.put(b"%d" % number + BLOCK)

    task = asyncio.create_task(put_all())
    await settle()
    return task


# The head


async def test_the_response_waits_for_the_head(delivery: Delivery) -> None:
    waiting = asyncio.create_task(delivery.head())
    await settle()
    was_waiting = not waiting.done()

    head = a_head()
    delivery.begin(head)

    assert was_waiting
    assert await asyncio.wait_for(waiting, SECONDS) is head


async def test_a_failure_before_the_head_comes_instead_of_it(delivery: Delivery) -> None:
    await delivery.finish(FAILURE)

    with pytest.raises(UpstreamFailed):
        await delivery.head()


async def test_a_failure_that_nobody_waits_for_is_no_error(delivery: Delivery) -> None:
    delivery.abandon()

    await delivery.finish(Unavailable("shutting_down", "."))


async def test_a_response_that_is_cancelled_leaves_the_head_to_the_pump(delivery: Delivery) -> None:
    waiting = asyncio.create_task(delivery.head())
    await settle()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)

    delivery.begin(a_head())

    assert (await delivery.head()).body is None


# Blocks


async def test_blocks_come_out_in_order_and_done_is_the_last(begun: Delivery) -> None:
    reading = asyncio.create_task(blocks_of(begun))

    for number in range(30):
        await begun.put(b"%d" % number)
    await begun.finish(None)

    assert await reading == [*(b"%d" % number for number in range(30)), DONE]


async def test_a_slow_client_keeps_the_pump_waiting(begun: Delivery) -> None:
    putting = await filled(begun)

    assert not putting.done()
    assert begun.is_sending

    reader = begun.reader.blocks()
    assert await anext(reader) == b"0" + BLOCK
    await asyncio.wait_for(putting, SECONDS)
    assert not begun.is_sending


async def test_the_last_word_waits_behind_the_blocks_of_a_slow_client(begun: Delivery) -> None:
    for _ in range(FULL):
        await begun.put(BLOCK)
    finishing = asyncio.create_task(begun.finish(None))
    await settle()

    read = await blocks_of(begun)

    await asyncio.wait_for(finishing, SECONDS)
    assert (len(read), read[-1]) == (FULL + 1, DONE)


async def test_a_failure_is_the_last_word_and_no_done_follows(begun: Delivery) -> None:
    await begun.put(b"text")
    await begun.finish(FAILURE)

    text, last = await blocks_of(begun)

    error: dict[str, Any] = json.loads(last.removeprefix(b"data: "))["error"]
    assert text == b"text"
    assert last.endswith(b"\n\n")
    assert (error["code"], error["request_id"], error["charged"]) == ("upstream_interrupted", "r", 7)


async def test_a_plain_answer_has_no_blocks(delivery: Delivery) -> None:
    delivery.begin(a_head(body=b"{}"))

    await asyncio.wait_for(delivery.finish(None), SECONDS)

    assert (await delivery.head()).body == b"{}"


# Abandoned


async def test_an_abandoned_outlet_never_keeps_the_pump_waiting(begun: Delivery) -> None:
    begun.abandon()

    async with asyncio.timeout(SECONDS):
        for _ in range(FULL * 3):
            await begun.put(BLOCK)
        await begun.finish(None)


async def test_abandoning_frees_a_pump_that_waits(begun: Delivery) -> None:
    putting = await filled(begun)

    begun.abandon()

    await asyncio.wait_for(putting, SECONDS)
    assert not begun.is_sending


async def test_abandoning_frees_a_pump_that_waits_with_its_last_word(begun: Delivery) -> None:
    for _ in range(FULL):
        await begun.put(BLOCK)
    finishing = asyncio.create_task(begun.finish(FAILURE))
    await settle()

    begun.abandon()

    await asyncio.wait_for(finishing, 1.0)


async def test_what_is_put_in_after_abandoning_is_dropped(begun: Delivery) -> None:
    await begun.put(b"before")
    begun.abandon()
    await begun.put(b"after")

    reading = asyncio.create_task(anext(begun.reader.blocks()))
    await settle()

    assert not reading.done()
    reading.cancel()


async def test_a_client_that_stands_still_does_not_keep_the_last_word_for_ever(begun: Delivery) -> None:
    for _ in range(FULL):
        await begun.put(BLOCK)

    await asyncio.wait_for(begun.finish(None, charged=7), SECONDS)

    (last,) = await blocks_of(begun)
    error: dict[str, Any] = json.loads(last.removeprefix(b"data: "))["error"]
    assert (error["code"], error["charged"]) == ("client_stalled", 7)


async def test_a_client_that_reads_slowly_gets_all_of_it(begun: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LAST_WORD_SECONDS", 0.05)
    blocks = [*[BLOCK] * (FULL - 1), BLOCK * FULL * 2]  # there is room again only after the last of them
    for block in blocks:
        await begun.put(block)
    finishing = asyncio.create_task(begun.finish(None))
    read = []

    async for block in begun.reader.blocks():
        read.append(block)
        await asyncio.sleep(0.03)

    await asyncio.wait_for(finishing, SECONDS)
    assert read == [*blocks, DONE]


async def test_nor_what_was_held_until_the_end(begun: Delivery) -> None:
    for _ in range(FULL):
        await begun.put(BLOCK)

    await asyncio.wait_for(begun.put_last(b"held"), SECONDS)
    await asyncio.wait_for(begun.finish(None, charged=7), SECONDS)

    assert b"client_stalled" in b"".join(await blocks_of(begun))


# Another reader


@pytest.fixture
async def kept() -> Delivery:
    """A stream whose blocks are kept, and whose answer has begun."""
    delivery = Delivery(request_id="r", dialect=OPENAI_CHAT, room=ReplayBudget())
    delivery.begin(a_head())
    return delivery


async def test_who_takes_over_reads_from_the_first_block(kept: Delivery) -> None:
    for block in (b"1", b"2"):
        await kept.put(block)
    kept.abandon()
    await kept.put(b"3")

    reader = kept.take_over()
    await kept.put(b"4")
    await kept.finish(None)

    assert [block async for block in reader.blocks()] == [b"123", b"4", DONE]


async def test_who_was_reading_is_told(kept: Delivery) -> None:
    first = kept.reader
    await kept.put(b"1")

    kept.take_over()

    (last,) = [block async for block in first.blocks()]
    error = json.loads(last.removeprefix(b"data: "))["error"]
    assert (error["code"], error["request_id"]) == ("superseded", "r")


async def test_a_pump_that_waited_for_a_slow_client_goes_on_for_the_next(kept: Delivery) -> None:
    putting = await filled(kept)
    first = kept.reader

    second = kept.take_over()
    await asyncio.wait_for(putting, SECONDS)
    await kept.finish(None)

    assert len([block async for block in first.blocks()]) == 1
    assert [block async for block in second.blocks()] == [b"".join(b"%d" % n + BLOCK for n in range(FULL + 1)), DONE]


async def test_no_more_is_kept_than_a_bound(kept: Delivery) -> None:
    kept.abandon()
    await kept.put(b"x" * ANSWER_BYTES)
    at_the_bound = kept.is_kept

    await kept.put(b"x")
    await kept.put(b"x")

    assert (at_the_bound, kept.is_kept, kept.kept) == (True, False, None)


async def test_all_together_keep_no_more_than_there_is_room_for() -> None:
    room = ReplayBudget(most=10)
    first, second = (Delivery(request_id="r", dialect=OPENAI_CHAT, room=room) for _ in range(2))

    await first.put(b"x" * 6)
    await second.put(b"x" * 4)
    in_time = (first.kept, second.kept)
    await second.put(b"x")

    assert in_time == (b"x" * 6, b"x" * 4)
    assert (first.is_kept, second.is_kept, room.left) == (True, False, 4)


async def test_at_its_end_an_answer_gives_its_room_back() -> None:
    room = ReplayBudget(most=10)
    delivery = Delivery(request_id="r", dialect=OPENAI_CHAT, room=room)
    delivery.begin(a_head())
    await delivery.put(b"1")

    await delivery.finish(None)

    assert (delivery.kept, room.left) == (None, 10)


async def test_most_answers_are_not_kept(begun: Delivery) -> None:
    await begun.put(b"1")

    assert begun.kept is None
