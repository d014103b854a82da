"""Answers that begin before the body of their request has been sent."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator

import pytest

from apps.common.clients import ConnectionBroken, RelayClient
from tests.common.relay.bodies import BLOCK, Endless
from tests.common.relay.raw import HELLO, OK, Peer, ask, fetch, read, replies, serving, until

REFUSAL = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\n"


@pytest.mark.parametrize("length", [None, 1 << 40])
async def test_a_refusal_stops_the_body_and_is_passed_on(client: RelayClient, length: int | None) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(REFUSAL)
        async with asyncio.timeout(5):
            await seen.wait()
        await peer.send(b"no!")
        await peer.has_left()

    body, seen = Endless(), asyncio.Event()
    async with serving(script) as server:
        response = await ask(client, server.url(), headers=[], body=body, length=length)
        await until(lambda: body.is_closed)
        seen.set()
        answer = await read(response)
        await fetch_hello(client)
        await until(lambda: server.open == 0)

    assert (response.status, answer) == (413, b"no!")
    assert (server.connections, client.open_connections()) == (1, 0)


async def fetch_hello(client: RelayClient) -> None:
    async with serving(replies(HELLO)) as server:
        assert await fetch(client, server.url()) == b"hello"


async def test_a_whole_answer_stops_the_body(client: RelayClient) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(HELLO)
        await peer.has_left()

    body = Endless()
    async with serving(script) as server:
        answer = await fetch(client, server.url(), headers=[], body=body)
        await until(lambda: body.is_closed and server.open == 0)

    assert (answer, client.open_connections()) == (b"hello", 0)


async def test_a_body_goes_on_while_a_good_answer_comes(client: RelayClient) -> None:
    """As a service that transforms what it is sent answers."""

    async def echo(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(OK + b"content-length: 8\r\n\r\n")
        for _ in range(2):
            await peer.send(await peer.reader.readexactly(4))
        await peer.has_left()

    async def question() -> AsyncIterator[bytes]:
        yield b"ping"
        async with asyncio.timeout(5):
            await answered.wait()
        yield b"pong"

    answered = asyncio.Event()
    async with serving(echo) as server:
        response = await ask(client, server.url(), headers=[], body=question(), length=8)
        first = await response.read()
        answered.set()
        rest = await read(response)

    assert (first, rest) == (b"ping", b"pong")


def refuses(listener: socket.socket, count: int, pause: float) -> None:
    """As a process of its own, which closes while the client goes on sending."""
    for _ in range(count):
        opened, _ = listener.accept()
        with opened:
            while b"\r\n\r\n" not in opened.recv(4096):
                pass
            time.sleep(pause)
            opened.sendall(REFUSAL + b"no!")


@pytest.mark.parametrize("pause", [0.0, 0.002])
async def test_a_refusal_of_a_server_that_closes_at_once_is_not_lost(client: RelayClient, pause: float) -> None:
    """What it did not read makes its system reset the connection, and our next write fails.

    A reset may overtake what its own system has not sent yet, which no client can help: one or two may be lost.
    """
    times, lost = 50, 0
    with socket.create_server(("127.0.0.1", 0)) as listener:
        refusing = asyncio.create_task(asyncio.to_thread(refuses, listener, times, pause))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        for _ in range(times):
            try:
                response = await ask(client, url, headers=[], body=Endless())
                assert (response.status, await read(response)) == (413, b"no!")
            except ConnectionBroken:
                lost += 1
        await refusing
    assert lost <= 2


async def test_a_body_that_is_there_at_once_leaves_the_loop_to_others(client: RelayClient) -> None:
    async def ready() -> AsyncIterator[bytes]:
        while True:
            yield BLOCK

    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        for _ in range(100):
            await peer.reader.readexactly(len(BLOCK))
        peer.reset()

    async with serving(script) as server:
        with pytest.raises(ConnectionBroken):
            await ask(client, server.url(), headers=[], body=ready())
