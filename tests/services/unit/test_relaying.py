"""An answer on its way to the caller: whole, or cut."""

import asyncio
from typing import Any

import pytest

from apps.common.breaker import Window
from apps.common.clients import ConnectionBroken, RelayError
from apps.common.errors import BodyTooLarge
from apps.dataplane.answers import AnswerCut
from apps.services.bodies import SendableBody
from apps.services.registry import BreakerPolicy, Retries, Timeouts
from apps.services.relaying import Relay
from tests.services.unit.upstream import Answered, Body, Scene, read
from tests.services.unit.values import endpoint, entry


def scene(*pieces: bytes | RelayError, **timeouts: float) -> Scene:
    async def say(body: Any) -> Answered:
        return Answered(200, *pieces)

    limits = Timeouts(**{"connect": 1.0, "first_byte": 1.0, "idle": 0.1, "total": 1.0, **timeouts})
    policy = BreakerPolicy(window=Window(at_least=2, share=0.5))  # an answer that begins, and then breaks
    return Scene(entry(endpoint(1), timeouts=limits, breaker=policy), {1: [say]})


async def relay(scenery: Scene) -> Relay:
    answer = await scenery.ask()
    assert isinstance(answer, Relay)
    return answer


async def test_it_is_passed_on_to_its_end() -> None:
    scenery, ended = scene(b"one", b"two"), []
    answer = await relay(scenery)
    answer.on_end = lambda: ended.append(answer.is_whole)
    assert scenery.in_flight() == 1

    assert [block async for block in answer.blocks()] == [b"one", b"two"]

    assert (ended, answer.sent, answer.broken, scenery.in_flight()) == ([True], 6, None, 0)
    assert not scenery.is_open(1)


async def test_one_that_breaks_off_is_cut_and_its_instance_blamed() -> None:
    scenery = scene(b"one", ConnectionBroken("It was told to."))
    answer = await relay(scenery)

    with pytest.raises(AnswerCut):
        _ = [block async for block in answer.blocks()]

    assert (answer.is_whole, answer.sent, scenery.in_flight()) == (False, 3, 0)
    assert scenery.is_open(1)


async def test_so_is_one_that_stops() -> None:
    scenery = scene(b"one", b"hang")
    answer = await relay(scenery)

    with pytest.raises(AnswerCut):
        _ = [block async for block in answer.blocks()]

    assert scenery.is_open(1)


async def test_one_that_only_takes_long_is_cut_without_blame() -> None:
    scenery = scene(b"one", b"hang", idle=10.0, total=0.1)
    answer = await relay(scenery)

    with pytest.raises(AnswerCut):
        _ = [block async for block in answer.blocks()]

    assert not scenery.is_open(1)


async def test_one_without_an_end_is_cut_even_if_it_never_pauses() -> None:
    scenery = scene(*[b"more"] * 1_000_000, total=0.05)
    answer = await relay(scenery)

    with pytest.raises(AnswerCut):
        async for _ in answer.blocks():
            pass


async def test_a_request_that_turns_out_too_large_cuts_it_without_blame() -> None:
    scenery = scene(b"one", BodyTooLarge("too_large", "It is too large."))  # type: ignore[arg-type]
    answer = await relay(scenery)

    with pytest.raises(AnswerCut):
        _ = [block async for block in answer.blocks()]

    assert not scenery.is_open(1)


async def test_a_caller_who_leaves_frees_the_instance_once() -> None:
    scenery, ended = scene(b"one", b"hang"), []
    answer = await relay(scenery)
    answer.on_end = lambda: ended.append(answer.is_whole)

    answer.close()
    answer.close()

    assert (ended, answer.broken, scenery.in_flight()) == ([False], None, 0)
    assert not scenery.is_open(1)


async def test_one_that_waits_for_its_caller_is_not_blamed() -> None:
    class Slow(Body):
        async def __aiter__(self) -> Any:
            yield b"a"
            await asyncio.Event().wait()

    sending: list[asyncio.Task[Any]] = []

    async def begin(body: SendableBody) -> Answered:
        sending.append(asyncio.create_task(read(body)))
        return Answered(200, b"one", b"hang")

    policy = BreakerPolicy(misses=1)
    limits = Timeouts(connect=1.0, first_byte=1.0, idle=0.1, total=1.0)
    scenery = Scene(entry(endpoint(1), timeouts=limits, breaker=policy, retries=Retries(keeps=0)), {1: [begin]})
    answer = await scenery.ask("POST", Slow(b"a", b"b"))
    assert isinstance(answer, Relay)

    with pytest.raises(AnswerCut):
        _ = [block async for block in answer.blocks()]

    assert not scenery.is_open(1)
    sending[0].cancel()
