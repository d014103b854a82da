"""SIGTERM while answers stream."""

import json
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest

from tests.chat.world import World, make_world, text_of, wait_until
from tests.live import Gateway, manage, start_gateway
from tests.provider_stub import ProviderStub

LONG = " ".join(f"word{number}" for number in range(40))


@pytest.fixture
def gateway(data_dir: Path) -> Iterator[Gateway]:
    """A gateway of the test's own, that gives streams a second to end."""
    with start_gateway(data_dir, SHUTDOWN_TIMEOUT_SECONDS="1") as gateway:
        yield gateway


@pytest.fixture
def world(gateway: Gateway, plain_stub: ProviderStub) -> Iterator[World]:
    with make_world(gateway, plain_stub) as world:
        yield world


def is_refusing(world: World) -> bool:
    try:
        return httpx.get(f"{world.gateway.base_url}/health/ready", timeout=0.2).status_code != 200
    except httpx.TransportError:
        return True


def test_a_live_stream_comes_to_its_end(world: World, plain_stub: ProviderStub) -> None:
    plain_stub.will(text=LONG, pause_after=5)
    chunks = iter(world.stream())
    read = [next(chunks)]

    world.gateway.terminate()
    wait_until(lambda: is_refusing(world), what="The end of accepting")
    plain_stub.go_on()
    read.extend(chunks)

    assert text_of(read) == LONG
    world.gateway.stop()
    assert world.call().status == "answered"


def test_whoever_comes_while_it_drains_is_refused_at_once(world: World, plain_stub: ProviderStub) -> None:
    plain_stub.will(text=LONG, pause_after=5)
    chunks = iter(world.stream())
    next(chunks)

    world.gateway.terminate()
    wait_until(lambda: is_refusing(world))
    with pytest.raises(httpx.ConnectError):
        httpx.get(world.gateway.base_url)

    plain_stub.go_on()
    assert text_of([*chunks]).endswith("word39")


def test_a_stream_that_takes_too_long_ends_with_an_error_and_is_charged(
    world: World, plain_stub: ProviderStub, data_dir: Path
) -> None:
    plain_stub.will(text=LONG, pause_after=20)
    chunks = iter(world.stream())
    for _ in range(10):
        next(chunks)

    world.gateway.terminate()
    with pytest.raises(openai.APIError) as caught:
        list(chunks)
    world.gateway.stop()

    assert caught.value.code == "shutting_down"
    (hold,) = world.holds()
    assert hold.state == "settled"
    assert world.call().charged == hold.charged > 10
    assert manage("audit_ledger", data_dir=data_dir).returncode == 0


def test_many_streams_are_all_settled(world: World, plain_stub: ProviderStub) -> None:
    plain_stub.always(text=LONG, pause_after=20)
    streams = [iter(world.stream()) for _ in range(30)]
    for stream in streams:
        next(stream)

    world.gateway.terminate()
    codes = []
    for stream in streams:
        with pytest.raises(openai.APIError) as caught:
            list(stream)
        codes.append(caught.value.code)
    world.gateway.stop()

    assert codes == ["shutting_down"] * 30
    assert {hold.state for hold in world.holds()} == {"settled"}
    assert len(world.calls()) == 30


def test_a_client_that_reads_nothing_does_not_hold_it_up(world: World, plain_stub: ProviderStub) -> None:
    plain_stub.will(text=" ".join(["x" * 10_000] * 2_000))
    body = json.dumps(world.body(stream=True)).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {world.key}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", world.gateway.port), timeout=10) as client:
        client.sendall(head.encode() + body)
        assert client.recv(100).startswith(b"HTTP/1.1 200")

        world.gateway.terminate()
        status = world.gateway.process.wait(20)

    assert status == 0
    assert world.settled().used > 0


def test_idle_keep_alive_connections_do_not_hold_it_up(world: World) -> None:
    with httpx.Client(base_url=world.gateway.base_url) as client:
        client.get("/health/live")

        world.gateway.stop()


def test_plain_answers_on_their_way_arrive(world: World, plain_stub: ProviderStub) -> None:
    plain_stub.will(delay=0.5)
    answers: list[str | None] = []
    asking = threading.Thread(target=lambda: answers.append(world.ask().choices[0].message.content))
    asking.start()
    plain_stub.wait_until(lambda: plain_stub.journal)

    world.gateway.stop()

    asking.join(10)
    assert answers == ["Hello from the provider stub."]


def test_a_second_start_keeps_the_data(world: World, data_dir: Path) -> None:
    world.ask("one two three")
    world.gateway.stop()

    with start_gateway(data_dir) as again:
        usage = httpx.get(f"{again.base_url}/v1/usage", headers={"authorization": f"Bearer {world.key}"}).json()
        again.stop()

    assert usage["used"] == 8


def test_ctrl_c_is_as_clean(world: World) -> None:
    world.ask()

    world.gateway.process.send_signal(signal.SIGINT)

    assert world.gateway.process.wait(20) == 0
