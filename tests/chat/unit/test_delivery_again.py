"""An answer that is kept for another reader."""

import asyncio
import json

import pytest

from apps.chat.dialects.openai_chat import OPENAI_CHAT
from apps.chat.dialects.openai_chat.answer import DONE
from apps.chat.idempotency.keys import ANSWER_BYTES
from apps.chat.idempotency.recent import ReplayBudget
from apps.chat.relay.delivery import Delivery
from tests.chat.unit.deliveries import BLOCK, FULL, SECONDS, a_head, filled


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
