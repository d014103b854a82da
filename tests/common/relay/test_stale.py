"""Connections that the server closed while nobody asked it anything, and what may then be sent again."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from apps.common.clients import ConnectionBroken, RelayClient
from tests.common.relay.raw import HELLO, OK, Peer, Script, ask, fetch, serving, until


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Of the kernel alone: what it does is done when a call returns, without the loop having looked."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)
        yield listener


async def one_exchange(client: RelayClient, listener: socket.socket) -> tuple[socket.socket, bytes]:
    asking = asyncio.create_task(fetch(client, f"http://127.0.0.1:{listener.getsockname()[1]}/"))
    accepted, _ = await asyncio.to_thread(listener.accept)
    await asyncio.to_thread(accepted.recv, 65_536)
    accepted.sendall(HELLO)
    return accepted, await asking


@pytest.mark.parametrize("news", ["end", "reset", "junk", "half"])
async def test_a_connection_that_was_closed_while_it_was_idle_is_not_even_tried(
    client: RelayClient, listener: socket.socket, news: str
) -> None:
    first, _ = await one_exchange(client, listener)
    if news == "junk":
        first.sendall(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    elif news == "half":
        first.shutdown(socket.SHUT_WR)
    else:
        first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0" if news == "reset" else b"\0" * 8)
        first.close()

    second, body = await one_exchange(client, listener)  # a POST, which could not be sent twice

    assert body == b"hello"
    for accepted in (first, second):
        accepted.close()


def closes_on_the_second(*pieces: bytes) -> Script:
    """The race that nobody can see coming: the server closes as the next request is on its way to it."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(HELLO)
        await peer.request()
        await peer.send(*pieces)

    return script


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_what_may_be_sent_twice_is_sent_again_over_a_new_connection(client: RelayClient, method: str) -> None:
    async with serving(closes_on_the_second()) as server:
        await fetch(client, server.url(), "GET")
        body = await fetch(client, server.url(), method)

    assert body == (b"" if method == "HEAD" else b"hello")
    assert (server.connections, len(server.requests)) == (2, 3)


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_what_may_not_be_sent_twice_is_connection_broken(client: RelayClient, method: str) -> None:
    async with serving(closes_on_the_second()) as server:
        await fetch(client, server.url())
        with pytest.raises(ConnectionBroken):
            await fetch(client, server.url(), method)

    assert (server.connections, len(server.requests)) == (1, 2)


async def test_a_caller_may_allow_what_may_not_be_sent_twice_by_itself(client: RelayClient) -> None:
    async with serving(closes_on_the_second()) as server:
        await fetch(client, server.url())
        body = await fetch(client, server.url(), "POST", may_repeat=True)

    assert body == b"hello"
    assert (server.connections, len(server.requests)) == (2, 3)


async def test_a_new_connection_that_brings_nothing_is_not_tried_again(client: RelayClient) -> None:
    async def deaf(peer: Peer) -> None:
        await peer.request()

    async with serving(deaf) as server:
        with pytest.raises(ConnectionBroken):
            await fetch(client, server.url(), "POST", may_repeat=True)

    assert (server.connections, len(server.requests)) == (1, 1)


@pytest.mark.parametrize("pieces", [b"H", b"HTTP/1.1 100 Continue\r\n\r\n", OK])
async def test_nothing_is_sent_again_after_the_first_byte_of_an_answer(client: RelayClient, pieces: bytes) -> None:
    async with serving(closes_on_the_second(pieces)) as server:
        await fetch(client, server.url(), "GET")
        with pytest.raises(ConnectionBroken):
            await fetch(client, server.url(), "GET")

    assert len(server.requests) == 2


async def test_nothing_is_sent_again_twice_or_after_a_new_connection(client: RelayClient) -> None:
    async def deaf(peer: Peer) -> None:
        await peer.request()
        if server.connections == 1:
            await peer.send(HELLO)
            await peer.request()

    async with serving(deaf) as server:
        await fetch(client, server.url(), "GET")
        with pytest.raises(ConnectionBroken):
            await fetch(client, server.url(), "GET")
        with pytest.raises(ConnectionBroken):
            await fetch(client, server.url(), "GET")

    assert (server.connections, len(server.requests)) == (3, 4)


async def test_a_server_that_closes_its_half_after_an_answer_is_not_asked_again(client: RelayClient) -> None:
    async def half(peer: Peer) -> None:
        await peer.request()
        await peer.send(HELLO)
        peer.writer.write_eof()
        await peer.has_left()

    async with serving(half) as server:
        for _ in range(2):
            assert await fetch(client, server.url()) == b"hello"
            await until(lambda: server.open == 0)

    assert server.connections == 2


async def test_a_server_that_closes_its_half_instead_of_answering_is_connection_broken(client: RelayClient) -> None:
    """At once, also while it takes nothing more of the request."""

    async def half(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        peer.writer.write_eof()
        await asyncio.sleep(30)

    async with serving(half) as server:
        with pytest.raises(ConnectionBroken):
            await ask(client, server.url(), body=b"x" * 50_000_000)
