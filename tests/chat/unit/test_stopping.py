"""Why and when an answer stops."""

import asyncio

import pytest

from apps.chat.relay.stopping import CLEAN_END_GRACE, Reason, Stopping

LONG = 30.0


async def ended(stopping: Stopping, *, seconds: float = LONG) -> bool:
    """Whether an answer that would go on for ever was ended; it fails rather than wait for long."""
    try:
        async with asyncio.timeout(5):
            try:
                await stopping.watch(asyncio.sleep(LONG), seconds=seconds)
            except TimeoutError:
                return stopping.has_ended or True
    except TimeoutError:
        return False
    return False


@pytest.mark.parametrize(
    ("reason", "code", "needs_no_answer"),
    [
        ("client_left", "upstream_timeout", True),
        ("client_stalled", "upstream_timeout", True),
        ("provider_stalled", "upstream_stalled", False),
        ("shutting_down", "shutting_down", False),
        ("access_ended", "access_ended", False),
    ],
)
async def test_each_reason_has_its_failure(reason: Reason, code: str, needs_no_answer: bool) -> None:
    stopping = Stopping()
    stopping.ask(reason)

    failure = stopping.failure()

    assert failure is not None
    assert (failure.code, stopping.needs_no_answer) == (code, needs_no_answer)


async def test_the_first_reason_counts() -> None:
    stopping = Stopping()
    stopping.ask("provider_stalled")
    stopping.ask("shutting_down")

    assert stopping.reason == "provider_stalled"


async def test_an_answer_that_takes_too_long_ends_for_no_reason_of_ours() -> None:
    stopping = Stopping()

    assert await ended(stopping, seconds=0.01)
    assert stopping.reason is None


async def test_an_answer_that_has_less_time_already_gets_no_more() -> None:
    stopping = Stopping()
    stopping.shorten(seconds=LONG)  # of an answer that nobody is at work on

    asyncio.get_running_loop().call_soon(lambda: stopping.shorten(seconds=LONG))
    assert await ended(stopping, seconds=0.01)


async def test_less_time_counts_once_a_client_that_left_is_back() -> None:
    stopping = Stopping()

    async def answer() -> None:
        stopping.ask("client_left", after=LONG)
        stopping.shorten(seconds=0.05)
        stopping.withdraw()
        await asyncio.sleep(LONG)

    async with asyncio.timeout(5):
        with pytest.raises(TimeoutError):
            await stopping.watch(answer(), seconds=LONG)


async def test_it_ends_at_once_when_asked_in_the_middle() -> None:
    stopping = Stopping()
    asyncio.get_running_loop().call_later(0.01, stopping.ask, "shutting_down")

    assert await ended(stopping)


async def test_a_client_that_left_may_come_back_until_the_end() -> None:
    stopping = Stopping()

    async def answer() -> None:
        stopping.ask("client_left", after=0.01)
        stopping.withdraw()
        await asyncio.sleep(0.1)

    await stopping.watch(answer(), seconds=LONG)

    assert stopping.reason is None
    assert not stopping.needs_no_answer


async def test_a_client_that_left_before_the_answer_began_may_come_back_too() -> None:
    stopping = Stopping()
    stopping.ask("client_left")
    stopping.withdraw()

    await stopping.watch(asyncio.sleep(0), seconds=LONG)

    assert stopping.reason is None


@pytest.mark.parametrize("reason", ["client_stalled", "provider_stalled", "shutting_down"])
async def test_no_other_reason_is_withdrawn(reason: Reason) -> None:
    stopping = Stopping()
    stopping.ask(reason)
    stopping.withdraw()

    assert stopping.reason == reason


async def test_a_reason_that_was_withdrawn_does_not_end_a_later_one_early() -> None:
    stopping = Stopping()

    async def answer() -> None:
        stopping.ask("client_left", after=0.05)
        stopping.withdraw()
        stopping.ask("client_left", after=LONG)
        await asyncio.sleep(0.15)

    await stopping.watch(answer(), seconds=LONG)

    assert stopping.reason == "client_left"


async def test_a_complete_answer_is_waited_for_a_moment_only_and_has_not_failed() -> None:
    stopping = Stopping()
    asyncio.get_running_loop().call_soon(stopping.complete)

    async with asyncio.timeout(CLEAN_END_GRACE + 5):
        assert await ended(stopping)
    assert stopping.failure() is None


async def test_a_client_that_comes_back_after_the_last_event_has_only_that_moment() -> None:
    stopping = Stopping()

    async def answer() -> None:
        stopping.complete()
        stopping.ask("client_left", after=LONG)
        stopping.withdraw()
        await asyncio.sleep(LONG)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5):
            await stopping.watch(answer(), seconds=LONG)
