"""A client that hears nothing for long: comments tell it that its answer goes on."""

import time
from datetime import UTC, datetime

import pytest

from apps.chat.guardrails.streams import guard_of
from apps.chat.idempotency.keys import Repeatable
from apps.chat.relay.attempts import Providers
from apps.chat.relay.delivery import KEEP_ALIVE
from apps.chat.relay.head import headers_of
from apps.chat.relay.pump import KEEP_ALIVE_SECONDS, Pump
from apps.chat.runtime import ChatRuntime
from apps.providers.adapters.protocol import UpstreamBroken
from apps.providers.health.memory import Health
from apps.quotas.models import Hold
from apps.rules.rulebook import Occasion, Rulebook
from tests.chat.unit.desk import Desk
from tests.chat.unit.pumps import call_of, ended, pump_of, read, record_of, state_of, streaming
from tests.chat.unit.upstreams import DONE, FINISH, ScriptedAdapter, ScriptedUpstream, completion, event, piece
from tests.chat.unit.values import a_route, a_rule, a_target

ROLE = event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})
EARLY = KEEP_ALIVE_SECONDS / 2


def later(seconds: float = KEEP_ALIVE_SECONDS + 1) -> float:
    return time.monotonic() + seconds


@pytest.fixture
def second(adapter: ScriptedAdapter, ledger: ChatRuntime) -> ScriptedUpstream:
    """What is asked behind `upstream`."""
    other = ScriptedAdapter()
    ledger.providers = Providers({"openai": adapter, "echo": other}, Health())
    return other.upstream


def of_two(ledger: ChatRuntime, desk: Desk) -> Pump:
    route = a_route(a_target(), a_target(deployment_id=2, provider="second", adapter="echo", priority=1))
    pump = pump_of(ledger, call_of(desk, is_stream=True)._replace(route=route))
    pump.start()
    return pump


async def test_head_and_comments_go_out_while_a_provider_is_at_work_and_brings_no_content(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    upstream.say(ROLE)
    pump = streaming(ledger, desk)
    await upstream.read_by_now()

    pump.keep_alive(later())
    head = await pump.delivery.head()
    comment = await read(pump, blocks=1)
    pump.keep_alive(later(2 * KEEP_ALIVE_SECONDS + 2))
    upstream.say(piece("Hello"), FINISH)
    upstream.end()
    rest = await read(pump)

    await ended(pump)
    assert "x-gateway-provider" not in headers_of(head)
    assert comment == [KEEP_ALIVE]
    assert rest == [KEEP_ALIVE, ROLE + piece("Hello"), FINISH, DONE]
    assert (await record_of(pump)).status == "answered"


@pytest.mark.parametrize("said", [[], [b": PROCESSING\n\n"]], ids=["nothing", "a comment"])
async def test_not_before_a_provider_has_shown_that_it_is_at_work(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk, said: list[bytes]
) -> None:
    upstream.say(*said)
    pump = streaming(ledger, desk)
    pump.keep_alive(later())
    await upstream.read_by_now()

    pump.keep_alive(later())

    assert not pump.delivery.has_begun
    pump.stop("shutting_down")
    await ended(pump)


async def test_nor_soon_nor_for_a_plain_answer(upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk) -> None:
    upstream.say(ROLE)
    stream = streaming(ledger, desk)
    await upstream.read_by_now()
    stream.keep_alive(later(EARLY))
    has_begun = stream.delivery.has_begun
    stream.stop("shutting_down")
    await ended(stream)
    upstream.say(completion("Hello")[:10])
    plain = pump_of(ledger, call_of(desk))
    plain.start()
    await upstream.read_by_now()

    plain.keep_alive(later())

    assert (has_begun, plain.delivery.has_begun) == (False, False)
    plain.stop("shutting_down")
    await ended(plain)


async def test_the_next_provider_may_still_answer(
    upstream: ScriptedUpstream, second: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    upstream.say(ROLE)
    pump = of_two(ledger, desk)
    await upstream.read_by_now()
    pump.keep_alive(later())
    upstream.fail(UpstreamBroken("reset"))
    await second.read_by_now()

    pump.keep_alive(later(2 * KEEP_ALIVE_SECONDS + 2))
    second.say(piece("Hello"), FINISH)
    second.end()

    assert await read(pump) == [KEEP_ALIVE, piece("Hello"), FINISH, DONE]
    record = await record_of(pump)
    assert (record.status, record.provider, record.attempts) == ("answered", "second", 2)


async def test_if_none_answers_the_stream_ends_in_an_error_and_is_free(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    upstream.say(ROLE)
    pump = streaming(ledger, desk)
    await upstream.read_by_now()
    pump.keep_alive(later())
    upstream.fail(UpstreamBroken("reset"))

    comment, last = await read(pump)

    await ended(pump)
    assert (comment, b'"code":"upstream_error"' in last, b'"charged":0' in last) == (KEEP_ALIVE, True, True)
    assert await state_of(pump) == Hold.State.RELEASED


async def test_text_that_a_rule_holds_back_is_silence_to_the_client(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    call = call_of(desk, is_stream=True)
    rule = a_rule(direction="answer", pattern="EXAM", action="redact", replacement="[code]")
    occasion = Occasion(direction="answer", now=datetime.now(UTC), timezone="UTC")
    pump = pump_of(ledger, call, guard=guard_of(call, Rulebook.of([rule]), occasion=occasion))
    upstream.say(piece("EXA"))
    pump.start()
    await upstream.read_by_now()

    pump.keep_alive(later())
    upstream.say(piece("M"), FINISH)
    upstream.end()
    blocks = await read(pump)

    assert blocks[0] == KEEP_ALIVE
    assert b"[code]" in b"".join(blocks)


async def test_comments_are_no_part_of_an_answer_that_is_kept(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    pump = pump_of(ledger, call_of(desk, is_stream=True), repeatable=Repeatable(digest=b"the request's"))
    upstream.say(ROLE)
    pump.start()
    await upstream.read_by_now()
    pump.keep_alive(later())
    await pump.delivery.head()
    pump.client_left(pump.delivery.reader)
    pump.keep_alive(later(2 * KEEP_ALIVE_SECONDS + 2))

    pump.join()
    upstream.say(piece("Hello"), FINISH)
    upstream.end()

    assert await read(pump) == [ROLE + piece("Hello"), FINISH, DONE]
    kept = ledger.recent.find(b"the request's", now=time.monotonic())
    assert kept.content == ROLE + piece("Hello") + FINISH + DONE


async def test_a_client_that_has_something_to_read_needs_no_comment(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    upstream.say(piece("Hello"))
    pump = streaming(ledger, desk)
    await pump.delivery.head()
    await upstream.read_by_now()

    pump.keep_alive(later())
    upstream.say(FINISH)
    upstream.end()

    assert await read(pump) == [piece("Hello"), FINISH, DONE]
