"""A reader that is slower than the server: it gets everything, and little of it waits in memory."""

import asyncio
import os
import socket

import pytest

from apps.common.clients import RelayClient
from apps.common.connections import MAX_UNREAD
from tests.common.relay.certificates import Authority
from tests.common.relay.raw import CHUNKED, OK, Peer, Script, ask, read, serving

BLOCK = b"0123456789abcdef" * 1024
BLOCKS = 1_000
BODY = BLOCK * BLOCKS
AT_ONCE = 256 * 1024  # what a loop may read before it looks whether it should


def streams(head: bytes, piece: bytes, end: bytes) -> Script:
    async def script(peer: Peer) -> None:
        await peer.request()
        peer.writer.write(head)
        for _ in range(BLOCKS):
            peer.writer.write(piece)
            await peer.writer.drain()
        peer.writer.write(end)
        await peer.writer.drain()
        await peer.has_left()

    return script


FORMS = [
    pytest.param(streams(OK + b"content-length: %d\r\n\r\n" % len(BODY), BLOCK, b""), id="length"),
    pytest.param(streams(CHUNKED, b"4000\r\n" + BLOCK + b"\r\n", b"0\r\n\r\n"), id="chunks"),
    pytest.param(streams(CHUNKED, (b"10\r\n" + BLOCK[:16] + b"\r\n") * 1024, b"0\r\n\r\n"), id="many small chunks"),
]


@pytest.mark.parametrize("script", FORMS)
async def test_what_is_not_read_stays_at_the_server(client: RelayClient, script: Script) -> None:
    async with serving(script) as server:
        response = await ask(client, server.url())
        await asyncio.sleep(0.2)
        waiting = sum(map(len, response.pieces))
        body = await read(response)

    assert waiting <= MAX_UNREAD + AT_ONCE
    assert body == BODY


async def test_nor_does_it_come_over_tls(client: RelayClient, authority: Authority) -> None:
    async with serving(FORMS[1].values[0], tls=authority.server("localhost")) as server:  # type: ignore[arg-type]
        response = await ask(client, server.url("localhost", scheme="https"))
        await asyncio.sleep(0.2)
        waiting = sum(map(len, response.pieces))
        body = await read(response)

    assert waiting <= MAX_UNREAD + AT_ONCE
    assert body == BODY


async def test_a_reader_that_stops_now_and_then_never_has_more_than_a_little(client: RelayClient) -> None:
    most = total = 0
    async with serving(FORMS[1].values[0]) as server:  # type: ignore[arg-type]
        response = await ask(client, server.url())
        while block := await response.read():
            most, total = max(most, len(block)), total + len(block)
            if total % 7 == 0:
                await asyncio.sleep(0.01)
        response.close()

    assert (total, most <= MAX_UNREAD + AT_ONCE) == (len(BODY), True)


async def test_a_reader_that_leaves_while_the_server_is_held_up_hangs_up(client: RelayClient) -> None:
    async with serving(FORMS[0].values[0]) as server:  # type: ignore[arg-type]
        response = await ask(client, server.url())
        await asyncio.sleep(0.1)
        response.close()
        async with asyncio.timeout(5):
            while server.open:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    assert client.open_connections() == 0


async def test_a_body_that_was_whole_before_it_was_read_does_not_hold_up_the_next(client: RelayClient) -> None:
    """It fills what may wait, and is over: the connection reads on for whom it serves next."""
    body = b"x" * (MAX_UNREAD + 1)

    async def twice(peer: Peer) -> None:
        for _ in range(2):
            await peer.request()
            await peer.send(OK + b"content-length: %d\r\n\r\n" % len(body), body[:-1])
            await asyncio.sleep(0.05)
            await peer.send(body[-1:])

    async with serving(twice) as server:
        first = await ask(client, server.url())
        while not first.is_over:
            first.connection.resume() if first.connection else None
            await asyncio.sleep(0.01)
        second = await read(await ask(client, server.url()))

        assert (await read(first), second, server.connections) == (body, body, 1)


async def test_what_a_server_sent_before_it_closed_is_not_lost_over_tls(
    client: RelayClient, authority: Authority
) -> None:
    body = BLOCK * 16
    half = len(body) // 2

    async def sends_and_closes(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK + b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body), body[:half])
        await asyncio.sleep(0.05)
        await peer.send(body[half:])
        with socket.socket(fileno=os.dup(peer.writer.get_extra_info("socket").fileno())) as opened:
            opened.shutdown(socket.SHUT_WR)  # most servers do not wait for the client's end of TLS
        await peer.has_left()

    async with serving(sends_and_closes, tls=authority.server("localhost")) as server:
        response = await ask(client, server.url("localhost", scheme="https"))
        await asyncio.sleep(0.2)

        assert await read(response) == body
