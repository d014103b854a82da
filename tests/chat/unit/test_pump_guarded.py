"""An answer that rules look at, from its provider to its client."""

import asyncio
import contextlib
import time
from datetime import UTC, datetime

import pytest

from apps.chat.call import ChatCall
from apps.chat.guardrails.streams import guard_of
from apps.chat.relay.pump import Pump
from apps.chat.runtime import ChatRuntime
from apps.common.errors import GatewayError, InternalError
from apps.providers.adapters.protocol import UpstreamBroken
from apps.quotas.models import Hold
from apps.rules.rulebook import Occasion, Rulebook
from tests.chat.unit.desk import Desk
from tests.chat.unit.pumps import SECONDS, call_of, ended, failure_of, pump_of, read, record_of, state_of
from tests.chat.unit.upstreams import (
    DONE,
    FINISH,
    ScriptedUpstream,
    completion,
    piece,
)
from tests.chat.unit.values import a_rule


def guarded(runtime: ChatRuntime, call: ChatCall, *, action: str) -> Pump:
    """An answer in which a rule looks for EXAM."""
    rule = a_rule(direction="answer", pattern="EXAM", action=action, message="Not that.", replacement="[code]")
    occasion = Occasion(direction="answer", now=datetime.now(UTC), timezone="UTC")
    pump = pump_of(runtime, call, guard=guard_of(call, Rulebook.of([rule]), occasion=occasion))
    pump.start()
    return pump


async def test_a_plain_answer_leaves_as_the_rules_let_it(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    upstream.say(completion("The EXAM is easy"))
    upstream.end()
    pump = guarded(ledger, call_of(desk), action="redact")

    async with asyncio.timeout(SECONDS):
        head = await pump.delivery.head()

    await ended(pump)
    assert b"The [code] is easy" in (head.body or b"")


@pytest.mark.parametrize("breaks", [False, True], ids=["whole", "broken off"])
async def test_what_rules_have_held_of_a_stream_leaves_at_its_end(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk, breaks: bool
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


async def test_what_rules_have_held_leaves_though_its_provider_falls_silent(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    """It is charged."""
    upstream.say(piece("Hello EXA"))
    pump = guarded(ledger, call_of(desk, is_stream=True), action="redact")
    async with asyncio.timeout(SECONDS):
        await pump.delivery.head()

    pump.check_stall(time.monotonic() + 6, limit=30.0)
    blocks = b"".join(await read(pump))

    await ended(pump)
    assert b"EXA" in blocks
    assert b"upstream_stalled" in blocks


async def test_nothing_held_leaves_when_we_end_the_answer(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    upstream.say(piece("Hello EXA"))
    pump = guarded(ledger, call_of(desk, is_stream=True), action="redact")
    async with asyncio.timeout(SECONDS):
        await pump.delivery.head()

    pump.stop("shutting_down")
    blocks = b"".join(await read(pump))

    await ended(pump)
    assert b"shutting_down" in blocks


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
async def test_an_answer_that_a_rule_stops_is_blocked_and_charged(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk, stream: bool
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
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    deep = b"[" * 1010 + b"]" * 1010  # which can be read, but not searched
    upstream.say(completion("The EXAM is easy", deep="deep").replace(b'"deep"}', deep + b"}"))
    upstream.end()
    pump = guarded(ledger, call_of(desk), action="redact")

    failure = await failure_of(pump)

    assert (type(failure), await state_of(pump)) == (InternalError, Hold.State.RELEASED)
