"""Clients that close their side once they have asked, and wait for the answer."""

import json
import socket
from typing import Any

import pytest

from tests.chat.world import PATIENCE, World, wait_until
from tests.provider_stub import ProviderStub


def request_of(world: World, **options: Any) -> bytes:
    body = json.dumps(world.body(**options)).encode()
    lines = f"Host: a\r\nAuthorization: Bearer {world.key}\r\nContent-Length: {len(body)}\r\n\r\n"
    return f"POST /v1/chat/completions HTTP/1.1\r\n{lines}".encode() + body


def connection(world: World) -> socket.socket:
    return socket.create_connection(("127.0.0.1", world.gateway.port), timeout=PATIENCE)


def heard(client: socket.socket) -> bytes:
    """Everything until the server closes."""
    return b"".join(iter(lambda: client.recv(65536), b""))


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("is_late", [False, True])
def test_it_gets_its_answer_and_the_connection_is_closed(
    world: World, stub: ProviderStub, is_stream: bool, is_late: bool
) -> None:
    stub.will(delay=1.5)
    with connection(world) as client:
        client.sendall(request_of(world, stream=is_stream))
        if is_late:
            stub.wait_until(lambda: stub.journal)
        client.shutdown(socket.SHUT_WR)
        received = heard(client)

    interim, _, final = received.rpartition(b"HTTP/1.1 200 OK")
    assert set(interim.split(b"\r\n\r\n")) == {b"HTTP/1.1 100 Continue", b""}
    assert b"connection: close" in final.lower()
    assert (b"[DONE]" if is_stream else b"Hello from the provider stub.") in final
    assert world.call().status == "answered"


def test_it_gets_the_answers_to_all_that_it_asked(world: World) -> None:
    with connection(world) as client:
        client.sendall(request_of(world) + request_of(world))
        client.shutdown(socket.SHUT_WR)
        received = heard(client)

    assert received.count(b"HTTP/1.1 200 OK") == 2


@pytest.mark.parametrize("is_stream", [False, True])
def test_one_that_has_left_is_noticed_before_the_provider_says_anything(
    world: World, stub: ProviderStub, is_stream: bool
) -> None:
    stub.will(delay=PATIENCE)
    with connection(world) as client:
        client.sendall(request_of(world, stream=is_stream))
        stub.wait_until(lambda: stub.journal)

    assert wait_until(world.calls, seconds=PATIENCE - 5)[0].status == "left"


def test_one_that_closes_before_its_request_is_whole_has_left(world: World, stub: ProviderStub) -> None:
    with connection(world) as client:
        client.sendall(request_of(world)[:-5])
        client.shutdown(socket.SHUT_WR)

        assert heard(client) == b""
    assert stub.journal == []
