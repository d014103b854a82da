"""Passing a stream on: what comes with its beginning, what comes with its end, and how much of it."""

import asyncio

import pytest

from apps.chat.relay.stopping import Stopping
from apps.chat.runtime import ChatRuntime
from apps.providers.adapters.protocol import UpstreamBroken
from tests.chat.unit.desk import Desk
from tests.chat.unit.pumps import ended, read, record_of, streaming
from tests.chat.unit.upstreams import DONE, FINISH, ScriptedUpstream, event, piece

ERROR = event({"error": {"message": "acct_secret"}})


def cut() -> UpstreamBroken:
    error = UpstreamBroken("reset")
    error.is_cut = True
    return error


async def test_an_answer_that_comes_in_one_piece_is_passed_on_whole(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    upstream.say(piece("Hello") + FINISH + DONE)  # and no end of the connection
    pump = streaming(ledger, desk)

    assert b"".join(await read(pump)) == piece("Hello") + FINISH + DONE
    assert (await record_of(pump)).status == "answered"


async def test_what_comes_before_an_error_in_the_same_piece_is_passed_on(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk
) -> None:
    upstream.say(piece("Hello"), piece(" you") + ERROR)
    pump = streaming(ledger, desk)

    first, second, last = await read(pump)

    await ended(pump)
    assert (first, second, b"upstream_interrupted" in last) == (piece("Hello"), piece(" you"), True)


async def test_an_error_alone_adds_nothing(upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk) -> None:
    upstream.say(piece("Hello"), ERROR)
    pump = streaming(ledger, desk)

    first, last = await read(pump)

    await ended(pump)
    assert (first, b"upstream_interrupted" in last) == (piece("Hello"), True)


@pytest.mark.parametrize(("before", "status"), [([piece("Hello"), FINISH], "answered"), ([piece("Hello")], "failed")])
async def test_a_connection_that_breaks_behind_the_last_event_does_no_harm(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk, before: list[bytes], status: str
) -> None:
    upstream.say(*before)
    upstream.fail(cut())
    pump = streaming(ledger, desk)

    blocks = await read(pump)

    await ended(pump)
    assert (blocks[: len(before)], blocks[-1] == DONE) == (before, status == "answered")
    assert (await record_of(pump)).status == status


@pytest.mark.parametrize("before", [[], [piece("Hello")]], ids=["at once", "later"])
async def test_far_more_than_the_cap_is_not_passed_on(
    upstream: ScriptedUpstream, ledger: ChatRuntime, desk: Desk, before: list[bytes]
) -> None:
    upstream.say(*before, piece("x" * 2**20))
    pump = streaming(ledger, desk)

    *blocks, last = await read(pump)

    await ended(pump)
    assert (blocks, b"upstream_interrupted" in last) == (before, True)


async def test_less_time_is_not_given_to_whoever_is_being_ended() -> None:
    stopping = Stopping()

    async def work() -> None:
        stopping.ask("client_left", after=30)
        stopping.shorten(seconds=0.0)
        await asyncio.sleep(0.05)

    await stopping.watch(work(), seconds=30)
