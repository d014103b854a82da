"""The queue between a pump and its response."""

import asyncio
import json
from typing import Any

import pytest

from apps.chat.dialects.openai_chat.answer import DONE
from apps.chat.relay import delivery as module
from apps.chat.relay.delivery import Delivery
from apps.common.errors import Unavailable, UpstreamFailed
from tests.chat.unit.deliveries import BLOCK, FULL, SECONDS, a_head, filled, settle

FAILURE = UpstreamFailed("upstream_interrupted", "It broke off.", charged=7)


async def blocks_of(delivery: Delivery) -> list[bytes]:
    async with asyncio.timeout(SECONDS):
        return [block async for block in delivery.reader.blocks()]


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


async def test_most_answers_are_not_kept(begun: Delivery) -> None:
    await begun.put(b"1")

    assert begun.kept is None
