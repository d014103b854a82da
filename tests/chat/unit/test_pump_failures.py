"""What a pump does when a provider fails, or when nothing is ever sent."""

import asyncio
import time

from apps.chat.relay.attempts import Providers
from apps.chat.runtime import ChatRuntime
from apps.common.errors import InternalError, Unavailable
from apps.providers.adapters.protocol import UpstreamBroken, UpstreamRefused
from apps.providers.health.memory import Health
from apps.quotas.models import Hold
from tests.chat.unit.desk import Desk
from tests.chat.unit.pumps import call_of, ended, failure_of, pump_of, read, record_of, state_of, streaming
from tests.chat.unit.upstreams import DONE, FINISH, ScriptedAdapter, ScriptedUpstream, completion, event, piece, usage

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
