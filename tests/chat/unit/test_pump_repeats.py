"""An answer that somebody comes back for: from memory by the same client, or by an Idempotency-Key."""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from django.db import connection

from apps.chat.call import ChatCall
from apps.chat.idempotency import stored_answers
from apps.chat.idempotency.keys import ANSWER_BYTES, Claim, Repeatable
from apps.chat.models import Repeat
from apps.chat.relay.attempts import Providers
from apps.chat.runtime import ChatRuntime
from apps.providers.adapters.protocol import UpstreamBroken
from apps.providers.health.memory import Health
from tests.chat.unit.desk import Desk
from tests.chat.unit.pumps import BRIEF, SECONDS, call_of, ended, failure_of, pump_of, read
from tests.chat.unit.upstreams import (
    DONE,
    FINISH,
    ScriptedAdapter,
    ScriptedUpstream,
    completion,
    piece,
)

RETRIED = Repeatable(digest=b"the request's")


def claimed(desk: Desk) -> tuple[ChatCall, Repeatable]:
    """A call with an Idempotency-Key."""
    call = call_of(desk, is_stream=True)
    claim = Claim.of(
        "key", b"body", dialect="openai_chat", call=call.id, membership=desk.student.pk, now=datetime.now(UTC)
    )
    return call, Repeatable(claim=claim)


async def kept_of(call: ChatCall) -> Repeat | None:
    def look() -> Repeat | None:
        try:
            return Repeat.objects.filter(call=call.id).first()
        finally:
            connection.close()

    return await asyncio.to_thread(look)


def found(ledger: ChatRuntime) -> Any:
    return ledger.recent.find(RETRIED.digest or b"", now=time.monotonic())


async def test_who_takes_over_gets_the_answer_from_its_first_block_and_the_provider_is_not_stopped(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    upstream.say(piece("Hello"))
    pump = pump_of(ledger, call_of(desk, is_stream=True), repeatable=RETRIED)
    pump.start()
    await read(pump, blocks=1)
    pump.client_left(pump.delivery.reader)
    orphaned = found(ledger)

    pump.join()
    upstream.say(piece(" you"), FINISH)
    upstream.end()
    blocks = await read(pump)

    await ended(pump)
    assert orphaned is pump
    assert blocks == [piece("Hello"), piece(" you"), FINISH, DONE]
    assert found(ledger).content == b"".join(blocks)


async def test_a_client_that_has_been_taken_over_from_can_go(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    upstream.say(piece("Hello"))
    pump = pump_of(ledger, call_of(desk, is_stream=True), repeatable=RETRIED)
    pump.start()
    await read(pump, blocks=1)
    first = pump.delivery.reader
    pump.join()

    pump.client_left(first)

    was_noticed = pump.is_orphaned
    pump.client_left(pump.delivery.reader)
    assert (was_noticed, pump.is_orphaned) == (False, True)
    upstream.say(FINISH)
    upstream.end()
    await ended(pump)


async def test_who_comes_back_before_anything_was_sent_finds_it_sent(ledger: ChatRuntime, desk: Desk) -> None:
    adapter = ScriptedAdapter()
    ledger.providers = Providers({"openai": adapter}, Health())
    pump = pump_of(ledger, call_of(desk), repeatable=RETRIED)
    pump.start()
    await asyncio.sleep(0)  # it waits for its reservation now
    pump.client_left(pump.delivery.reader)

    pump.join()
    ledger.plane.writer.start()
    adapter.upstream.say(completion("Hello"))
    adapter.upstream.end()
    async with asyncio.timeout(SECONDS):
        head = await pump.delivery.head()

    await ended(pump)
    assert head.body == found(ledger).content == completion("Hello")


async def test_an_answer_that_is_being_ended_or_has_failed_cannot_be_joined(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    upstream.say(piece("Hello"))
    pump = pump_of(ledger, call_of(desk, is_stream=True, route=BRIEF), repeatable=RETRIED)
    seen: list[bool] = []
    upstream.on_close = lambda: seen.append(pump.can_be_joined)  # at the very moment when the limit has passed
    pump.start()

    await read(pump)

    await ended(pump)
    assert [*seen, pump.can_be_joined, found(ledger)] == [False, False, None]


async def test_an_answer_that_we_end_cannot_be_joined(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    upstream.say(piece("Hello"))
    pump = pump_of(ledger, call_of(desk, is_stream=True), repeatable=RETRIED)
    pump.start()
    await read(pump, blocks=1)

    pump.stop("shutting_down")

    assert not pump.can_be_joined
    await ended(pump)


async def test_an_answer_that_is_cut_off_with_its_loop_has_no_clean_end(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    upstream.say(piece("Hello"))
    pump = pump_of(ledger, call_of(desk, is_stream=True), repeatable=RETRIED)
    pump.start()
    await read(pump, blocks=1)

    pump.task.cancel()
    blocks = await read(pump)

    assert DONE not in blocks
    assert b"shutting_down" in blocks[-1]
    assert found(ledger) is None


async def test_to_come_back_after_the_last_event_does_not_keep_the_provider(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
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
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    call, repeatable = claimed(desk)
    upstream.say(piece("Hello"))
    pump = pump_of(ledger, call, repeatable=repeatable)
    pump.start()
    await read(pump, blocks=1)

    pump.client_left(pump.delivery.reader)
    upstream.say(FINISH)
    upstream.end()
    await ended(pump)

    kept = await kept_of(call)
    assert kept is not None
    stored = await stored_answers.unseal(kept.answer, claim=kept.pk)
    assert stored is not None
    assert (kept.state, stored.content) == ("done", piece("Hello") + FINISH + DONE)


async def test_a_claimed_answer_that_is_too_long_is_done_and_not_kept(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    call, repeatable = claimed(desk)
    call = call._replace(max_output=40_000, route=replace(call.route, max_output_tokens=40_000))
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
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
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
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
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


def silent(made: list[bytes]) -> Repeatable:
    """A request without a number, and a list of the times that its digest was needed."""

    def digest() -> bytes:
        made.append(b"the request's")
        return made[-1]

    return Repeatable(on_demand=digest)


async def test_a_request_without_a_number_is_found_once_its_client_has_left(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    made: list[bytes] = []
    upstream.say(piece("Hello"))
    pump = pump_of(ledger, call_of(desk, is_stream=True), repeatable=silent(made))
    pump.start()
    await read(pump, blocks=1)
    before = (list(made), ledger.recent.has_orphans)

    pump.client_left(pump.delivery.reader)
    orphan = ledger.recent.orphan(b"the request's")
    pump.join()
    upstream.say(piece(" you"), FINISH)
    upstream.end()
    blocks = await read(pump)

    await ended(pump)
    assert before == ([], False)
    assert orphan is pump
    assert blocks == [piece("Hello"), piece(" you"), FINISH, DONE]
    assert (len(made), ledger.recent.has_orphans) == (1, False)


async def test_a_client_that_leaves_after_the_end_leaves_nothing_behind(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    made: list[bytes] = []
    upstream.say(piece("Hello"), FINISH)
    upstream.end()
    pump = pump_of(ledger, call_of(desk, is_stream=True), repeatable=silent(made))
    pump.start()
    await ended(pump)

    pump.client_left(pump.delivery.reader)

    assert (made, ledger.recent.has_orphans) == ([], False)
