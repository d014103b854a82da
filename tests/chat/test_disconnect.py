"""A client that leaves."""

from typing import Any

import httpx
import pytest

from tests.chat.world import World, make_world
from tests.live import Gateway
from tests.provider_stub import ProviderStub

LONG = " ".join(f"word{number}" for number in range(40))


def leave_after(world: World, stub: ProviderStub, *, chunks: int) -> None:
    """Begin a stream, read a few chunks of text, and close the connection."""
    stream = world.stream()
    read = iter(stream)
    for _ in range(chunks + 1):
        next(read)
    stream.close()


def test_what_was_relayed_is_charged_and_the_hold_ends(world: World, stub: ProviderStub) -> None:
    stub.will(text=LONG, pause_after=20)

    leave_after(world, stub, chunks=20)

    week = world.settled()
    call = world.call()
    assert call.status == "left"
    assert call.is_estimated
    assert 20 <= call.output_tokens <= 80
    assert week.used == call.charged > 0


def test_the_provider_is_told_to_stop_within_seconds(world: World, stub: ProviderStub) -> None:
    stub.will(text=LONG, pause_after=20)

    leave_after(world, stub, chunks=3)

    assert stub.last.over.wait(5)
    assert stub.last.left


def test_usage_that_still_arrives_is_charged_exactly(world: World, stub: ProviderStub) -> None:
    stub.will(text=LONG, pause_after=5, usage={"prompt_tokens": 200, "completion_tokens": 100})

    leave_after(world, stub, chunks=5)
    stub.go_on()

    assert world.settled().used == 300
    assert not world.call().is_estimated


def test_leaving_just_before_the_end_gives_no_free_tokens(world: World, stub: ProviderStub) -> None:
    stub.will(text=LONG, pause_after=39)

    leave_after(world, stub, chunks=39)

    assert world.settled().used >= 40


@pytest.mark.parametrize("options", [{}, {"stream": True}], ids=["plain", "streamed"])
def test_leaving_before_the_first_byte_is_not_free_once_it_was_sent(
    world: World, stub: ProviderStub, options: dict[str, Any]
) -> None:
    stub.will(hang_before_first_byte=True)

    with pytest.raises(httpx.ReadTimeout):
        world.post(world.body(**options), timeout=0.3)

    assert stub.last.over.wait(5)
    week = world.settled()
    assert (world.call().status, week.used > 0) == ("left", True)


def test_the_place_among_concurrent_requests_is_free_again(
    committed_db: None, gateway: Gateway, stub: ProviderStub
) -> None:
    stub.will(text=LONG, pause_after=5)
    with make_world(gateway, stub, policy={"student_concurrent_requests": 1}) as world:
        leave_after(world, stub, chunks=2)
        world.settled()

        assert world.post().status_code == 200


def test_others_do_not_notice(world: World, stub: ProviderStub) -> None:
    stub.will(times=5, text=LONG, pause_after=5)
    for _ in range(5):
        leave_after(world, stub, chunks=2)

    assert world.ask().choices[0].message.content
    world.settled()
    assert sorted(call.status for call in world.calls()) == ["answered", *["left"] * 5]
