"""Attempts within their time, and what of a body can be sent again."""

import asyncio
import time
from typing import Any

import pytest

from apps.common.errors import BodyTooLarge
from apps.services.registry import BreakerPolicy, Retries, Timeouts
from tests.services.unit.upstream import Answered, Body, drop, good, hang, outcome, refuse, says, scene

# Time


async def test_the_whole_request_has_a_deadline_which_is_passed_on() -> None:
    timeouts = Timeouts(connect=1.0, first_byte=0.3, idle=1.0, total=0.5)
    scenery = scene(hang, timeouts=timeouts, retries=Retries(most=5))
    began = time.monotonic()

    assert outcome(await scenery.ask()) == "service_timeout"

    assert 0.3 < time.monotonic() - began < 0.7
    assert scenery.seconds[0] == pytest.approx(0.5, abs=0.05)
    assert all(later < earlier for earlier, later in zip(scenery.seconds, scenery.seconds[1:], strict=False))


async def test_one_to_whom_others_left_no_time_is_not_blamed() -> None:
    timeouts = Timeouts(connect=1.0, first_byte=0.4, idle=1.0, total=0.58)
    scenery = scene(hang, hang, timeouts=timeouts, breaker=BreakerPolicy(misses=1))

    await scenery.ask()

    assert (scenery.asked, scenery.is_open(1), scenery.is_open(2)) == ([1, 2], True, False)


# Bodies


async def test_a_long_body_is_sent_once() -> None:
    scenery = scene(drop, good, retries=Retries(keeps=10))

    assert outcome(await scenery.ask("PUT", Body(b"a" * 8, b"b" * 8))) == "service_broken"
    assert scenery.asked == [1]


async def test_but_elsewhere_if_nothing_of_it_was_sent() -> None:
    scenery = scene(refuse, good, retries=Retries(keeps=10))
    body = Body(b"a" * 8, b"b" * 8)

    assert outcome(await scenery.ask("POST", body)) == 200
    assert body.taken == 2


@pytest.mark.parametrize("pieces", [(b"a" * 4, b"b" * 4), (b"a" * 40, b"b" * 40, b"c")])
async def test_a_body_without_a_length_is_kept_if_it_is_short(pieces: tuple[bytes, ...]) -> None:
    received: list[bytes] = []

    async def note(body: Any) -> Answered:
        received.append(body.whole if body.whole is not None else b"".join([piece async for piece in body]))
        return Answered(503 if len(received) == 1 else 200)

    answer = outcome(await scene(note, note, retries=Retries(keeps=10)).ask("PUT", Body(*pieces, chunked=True)))

    is_kept = sum(map(len, pieces)) <= 10
    assert answer == (200 if is_kept else 503)
    assert received == [b"".join(pieces)] * (2 if is_kept else 1)


async def test_a_caller_who_sends_slowly_is_no_fault_of_the_instance() -> None:
    class Slow(Body):
        async def __aiter__(self) -> Any:
            for piece in self.pieces:
                await asyncio.sleep(0.1)
                yield piece

    scenery = scene(good, retries=Retries(keeps=0), breaker=BreakerPolicy(misses=1))

    assert outcome(await scenery.ask("POST", Slow(b"a", b"b", b"c"))) == 200
    assert not scenery.is_open(1)


@pytest.mark.parametrize("keeps", [0, 100])
async def test_a_caller_who_takes_all_the_time_is_told_so(keeps: int) -> None:
    """Whether the body was passed on as it came, or kept: then nobody is asked any more."""

    class Slow(Body):
        async def __aiter__(self) -> Any:
            yield b"a"
            await asyncio.sleep(0.15)
            yield b"b"

    timeouts = Timeouts(connect=1.0, first_byte=0.05, idle=0.05, total=0.1)
    scenery = scene(good, timeouts=timeouts, retries=Retries(keeps=keeps), breaker=BreakerPolicy(misses=1))

    assert outcome(await scenery.ask("PUT", Slow(b"a", b"b"))) == "body_stalled"
    assert (scenery.asked, scenery.is_open(1), scenery.in_flight()) == ([] if keeps else [1], False, 0)


async def test_neither_is_a_body_that_is_refused_on_its_way() -> None:
    class Large(Body):
        async def __aiter__(self) -> Any:
            yield b"a"
            raise BodyTooLarge("too_large", "It is too large.")

    scenery = scene(good, retries=Retries(keeps=0), breaker=BreakerPolicy(misses=1))

    assert outcome(await scenery.ask("PUT", Large(b"a" * 10))) == "too_large"
    assert (scenery.asked, scenery.is_open(1), scenery.in_flight()) == ([1], False, 0)


async def test_neither_is_a_caller_who_leaves() -> None:
    scenery = scene(hang, timeouts=Timeouts(connect=1, first_byte=60, idle=60, total=60))
    request = asyncio.create_task(scenery.ask())
    await asyncio.sleep(0.01)
    assert scenery.in_flight() == 1

    request.cancel()
    await asyncio.wait([request])

    assert (scenery.is_open(1), scenery.in_flight()) == (False, 0)


async def test_a_caller_who_leaves_between_two_attempts_frees_the_first() -> None:
    scenery = scene(says(503, retry_after="1"), timeouts=Timeouts(connect=1, first_byte=60, idle=60, total=60))
    request = asyncio.create_task(scenery.ask())
    await asyncio.sleep(0.05)

    request.cancel()
    await asyncio.wait([request])

    assert (scenery.asked, scenery.in_flight()) == ([1], 0)


async def test_one_that_hangs_for_the_whole_of_a_short_request_is_to_blame() -> None:
    timeouts = Timeouts(connect=1.0, first_byte=60.0, idle=60.0, total=0.1)
    scenery = scene(hang, timeouts=timeouts, breaker=BreakerPolicy(misses=1))

    assert outcome(await scenery.ask()) == "service_timeout"
    assert scenery.is_open(1)
