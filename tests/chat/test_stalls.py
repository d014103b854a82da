"""Whoever stands still is not waited for without end: providers, clients that send, and clients that read."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.chat.world import World, make_world, wait_until
from tests.live import WITHOUT_CELERY, own_data_dir, start_gateway
from tests.provider_stub import ProviderStub

GENEROUS = {"student_weekly_tokens": 10**9, "default_output_tokens": 10**6}
LONG = " ".join(["x" * 10_000] * 2_000)


@pytest.fixture(scope="module")
def impatient(
    django_db_setup: None, django_db_blocker: Any, pristine: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[World, ProviderStub]]:
    """A gateway with short limits. Its world is shared, so tests look at their own call alone."""
    with (
        django_db_blocker.unblock(),
        own_data_dir(pristine, tmp_path_factory.mktemp("impatient")) as data_dir,
        ProviderStub() as stub,
        start_gateway(
            data_dir,
            STALL_TIMEOUT="1",
            CLIENT_STALL_TIMEOUT="1",
            REQUEST_TIMEOUT="3",
            SHUTDOWN_TIMEOUT_SECONDS="1",
            **WITHOUT_CELERY,
        ) as gateway,
        make_world(gateway, stub, policy=GENEROUS, model={"max_output_tokens": 10**6}) as world,
    ):
        yield world, stub
        gateway.stop()


@pytest.fixture
def world(impatient: tuple[World, ProviderStub]) -> World:
    return impatient[0]


@pytest.fixture
def stub(impatient: tuple[World, ProviderStub]) -> ProviderStub:
    return impatient[1]


def test_a_provider_that_stands_still_ends_in_an_error(world: World, stub: ProviderStub) -> None:
    stub.will(pause_after=2)
    text, started = "", time.monotonic()

    with pytest.raises(openai.APIError) as caught:
        for chunk in world.stream():
            text += chunk.choices[0].delta.content or ""

    assert text == "Hello from"
    assert caught.value.code == "upstream_stalled"
    assert time.monotonic() - started < 20
    assert world.settled().used > 0


def test_an_answer_that_takes_too_long_ends_in_an_error(world: World, stub: ProviderStub) -> None:
    stub.will(text="word " * 100, chunk_delay=0.1)
    started = time.monotonic()

    with pytest.raises(openai.APIError) as caught:
        list(world.stream())

    assert caught.value.code == "upstream_timeout"
    assert time.monotonic() - started < 20


def test_a_client_that_reads_nothing_frees_its_provider(world: World, stub: ProviderStub) -> None:
    stub.will(text=LONG)
    body = json.dumps(world.body(stream=True)).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {world.key}\r\nContent-Length: {len(body)}\r\n\r\n"
    )

    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)  # or the kernel takes in all that nobody reads
        client.settimeout(10)
        client.connect(("127.0.0.1", world.gateway.port))
        client.sendall(head.encode() + body)
        client.recv(100)
        asked = stub.last

        assert asked.over.wait(8)
        assert asked.left
        wait_until(lambda: world.calls() and (week := world.week()) and week.held == 0)


def test_a_slow_reader_gets_all_of_it(world: World, stub: ProviderStub) -> None:
    stub.will(text=" ".join(["x" * 1000] * 500))
    size = 0

    for chunk in world.stream():
        size += len(chunk.choices[0].delta.content or "")
        if size % 50 == 0:
            time.sleep(0.001)

    assert size == 500 * 1001 - 1
