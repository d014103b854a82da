"""How connections are kept, bounded and closed."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from apps.common.clients import ConnectFailed, ConnectionBroken, NonFree, RelayClient, RelayLimits, Share
from tests.common.relay.certificates import Authority
from tests.common.relay.raw import CHUNKED, HELLO, LIMITS, OK, Peer, Script, ask, fetch, read, replies, serving, until


@contextlib.asynccontextmanager
async def a_client(**limits: Any) -> AsyncIterator[RelayClient]:
    values = {"connect_timeout": 2, "pool_timeout": 2, "keepalive_expiry": 5, "max_connections": 10, **limits}
    client = RelayClient(RelayLimits(**values))
    yield client
    await client.close()


async def never(peer: Peer) -> None:
    """Takes requests and answers none."""
    await peer.request()
    await peer.has_left()


def slowly(answer: bytes) -> Script:
    """Takes a moment for every answer."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await asyncio.sleep(0.05)
            await peer.send(answer)

    return script


def endless(*pieces: bytes) -> Script:
    """The beginning of a response, and nothing more until the client leaves."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(*pieces)
        await peer.has_left()

    return script


# Bounds


async def test_idle_connections_are_closed_when_their_time_is_over() -> None:
    async with a_client(keepalive_expiry=0.1) as client, serving(replies(HELLO)) as server:
        await fetch(client, server.url())
        await fetch(client, server.url())
        before = (server.connections, server.open)
        await until(lambda: server.open == 0)
        await fetch(client, server.url())

    assert (before, server.connections) == ((1, 1), 2)


async def test_connections_are_not_used_after_their_time_even_before_they_are_closed() -> None:
    async with a_client(keepalive_expiry=0.2) as client, serving(replies(HELLO)) as server:
        await asyncio.sleep(0.15)
        await fetch(client, server.url())  # the sweeper looks in 50 milliseconds, and then only when it is overdue
        await asyncio.sleep(0.22)
        await fetch(client, server.url())

    assert server.connections == 2


async def test_no_more_connections_are_in_use_than_may_be() -> None:
    busiest = 0

    async def slow(peer: Peer) -> None:
        nonlocal busiest
        while True:
            await peer.request()
            busiest = max(busiest, client.open_connections())
            await asyncio.sleep(0.01)
            await peer.send(HELLO)

    async with a_client(max_connections=3) as client, serving(slow) as server:
        bodies = await asyncio.gather(*(fetch(client, server.url()) for _ in range(20)))
        in_use = client.open_connections()

    assert bodies == [b"hello"] * 20
    assert (busiest, server.connections, in_use) == (3, 3, 0)


async def test_no_more_connections_are_kept_than_may_be_idle() -> None:
    async with a_client(max_idle=2) as client, serving(slowly(HELLO)) as server:
        await asyncio.gather(*(fetch(client, server.url()) for _ in range(5)))
        await until(lambda: server.open == 2)
        await asyncio.gather(*(fetch(client, server.url()) for _ in range(2)))

    assert server.connections == 5


async def test_a_retired_client_lets_its_exchanges_end_and_keeps_no_connection() -> None:
    async with a_client() as client, serving(slowly(HELLO)) as server:
        await fetch(client, server.url())
        during = asyncio.create_task(fetch(client, server.url()))
        await until(lambda: len(server.requests) == 2)
        idle = asyncio.create_task(fetch(client, server.url()))
        client.retire()
        answers = [await during, await idle, await fetch(client, server.url())]
        await until(lambda: server.open == 0)

    assert answers == [b"hello"] * 3


async def test_a_retired_client_closes_what_is_idle() -> None:
    async with a_client() as client, serving(replies(HELLO)) as server:
        await fetch(client, server.url())
        client.retire()
        await until(lambda: server.open == 0)


async def test_a_place_that_does_not_become_free_is_connect_failed() -> None:
    async with a_client(max_connections=1, pool_timeout=0.05) as client, serving(endless(OK)) as server:
        asking = asyncio.create_task(ask(client, server.url()))
        await until(lambda: server.requests)
        with pytest.raises(ConnectFailed, match="free"):
            await ask(client, server.url())
        asking.cancel()
        await asyncio.wait([asking])
        in_use = client.open_connections()

    assert (len(server.requests), in_use) == (1, 0)


async def test_a_server_that_hangs_takes_its_share_and_no_more() -> None:
    share = Share("hanging", 2)
    async with a_client(max_connections=4, pool_timeout=1.0) as client, serving(never) as hanging:
        asking = [asyncio.create_task(ask(client, hanging.url(), share=share)) for _ in range(2)]
        await until(lambda: len(hanging.requests) == 2)
        waiting = [asyncio.create_task(ask(client, hanging.url(), share=share)) for _ in range(20)]
        async with serving(replies(HELLO)) as well:
            bodies = await asyncio.gather(*(fetch(client, well.url(), share=Share("well", 2)) for _ in range(8)))
        failures = await asyncio.gather(*waiting, return_exceptions=True)
        for task in asking:
            task.cancel()
        await asyncio.wait(asking)
        in_use = client.open_connections()

    assert bodies == [b"hello"] * 8
    assert all(
        isinstance(failure, NonFree) and str(failure).startswith("None of the 2 connections to hanging was")
        for failure in failures
    )
    assert (len(hanging.requests), in_use) == (2, 0)


async def test_a_place_of_a_share_that_becomes_free_is_taken_by_the_next() -> None:
    share = Share("one", 1)
    async with a_client(max_connections=4) as client, serving(replies(HELLO)) as server:
        bodies = await asyncio.gather(*(fetch(client, server.url(), share=share) for _ in range(20)))

    assert bodies == [b"hello"] * 20
    assert (server.connections, client.open_connections()) == (1, 0)


async def test_who_gives_up_waiting_leaves_the_share_as_it_was() -> None:
    share = Share("one", 1)
    async with a_client(max_connections=1) as client, serving(endless(OK)) as server:
        asking = asyncio.create_task(ask(client, server.url()))  # has the only connection
        await until(lambda: server.requests)
        waiting = asyncio.create_task(ask(client, server.url(), share=share))
        await asyncio.sleep(0.01)
        for task in (waiting, asking):
            task.cancel()
            await asyncio.wait([task])
        async with serving(replies(HELLO)) as well:
            assert await fetch(client, well.url(), share=share) == b"hello"


async def test_waiting_for_a_connection_of_ours_is_not_the_server_s_slowness() -> None:
    async with a_client(max_connections=1, pool_timeout=5) as client, serving(endless(OK)) as server:
        asking = asyncio.create_task(ask(client, server.url()))
        await until(lambda: server.requests)
        with pytest.raises(NonFree):
            await ask(client, server.url(), patience=0.1)
        asking.cancel()
        await asyncio.wait([asking])


async def test_idle_connections_give_way_to_those_that_are_needed_elsewhere() -> None:
    async with a_client(max_connections=2) as client, serving(replies(HELLO)) as one, serving(replies(HELLO)) as other:
        await asyncio.gather(*(fetch(client, one.url()) for _ in range(2)))
        await fetch(client, other.url())
        await until(lambda: one.open + other.open == 2)
        await asyncio.gather(*(fetch(client, other.url()) for _ in range(2)))
        await until(lambda: one.open + other.open == 2)

    assert (one.connections, other.connections) == (2, 2)


async def test_a_server_that_takes_no_connection_is_connect_failed() -> None:
    with socket.socket() as full, contextlib.ExitStack() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):  # what the kernel takes in nevertheless
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        async with a_client(connect_timeout=0.2) as client:
            with pytest.raises(ConnectFailed, match="TimeoutError"):
                await ask(client, f"http://127.0.0.1:{full.getsockname()[1]}/")

            assert client.open_connections() == 0


async def test_an_address_that_one_owner_may_use_is_no_connection_for_another(client: RelayClient) -> None:
    async with serving(replies(HELLO)) as server:
        await fetch(client, server.url(), allow_private=True)
        with pytest.raises(ConnectFailed, match="public internet"):
            await fetch(client, server.url(), allow_private=False)

    assert len(server.requests) == 1


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_connection_on_which_a_request_is_still_going_out_is_not_used_again(
    client: RelayClient, authority: Authority, scheme: str
) -> None:
    """The server answered before it had read everything. It may never read the rest, nor what comes behind it."""

    async def impatient(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
        await asyncio.sleep(60)

    async with serving(impatient, tls=authority.server("localhost") if scheme == "https" else None) as server:
        for _ in range(2):
            response = await ask(client, server.url("localhost", scheme=scheme), body=b"x" * 20_000_000)
            assert (response.status, await read(response)) == (413, b"")

    assert server.connections == 2


# The end


async def test_closing_the_client_ends_everything() -> None:
    async with serving(endless(OK + b"content-length: 9\r\n\r\n", b"hel")) as server, serving(never) as silent:
        client = RelayClient(RelayLimits(connect_timeout=2, pool_timeout=5, keepalive_expiry=5, max_connections=2))
        response = await ask(client, server.url())
        await response.read()
        reading = asyncio.create_task(response.read())
        asking = asyncio.create_task(ask(client, silent.url()))
        await until(lambda: silent.requests)
        waiting = asyncio.create_task(ask(client, server.url()))
        await asyncio.sleep(0)

        await client.close()
        results = await asyncio.gather(reading, asking, waiting, return_exceptions=True)
        await until(lambda: server.open == silent.open == 0)

    assert [isinstance(result, ConnectionBroken) for result in results] == [True, True, False]
    assert isinstance(results[2], ConnectFailed)
    assert client.open_connections() == 0


async def test_a_client_that_is_closed_asks_nobody() -> None:
    client = RelayClient(LIMITS)
    async with serving(replies(HELLO)) as server:
        await fetch(client, server.url())
        await client.close()
        with pytest.raises(ConnectFailed):
            await ask(client, server.url())

    assert len(server.requests) == 1


async def test_what_has_arrived_whole_can_be_read_after_the_end() -> None:
    async with a_client() as client, serving(replies(CHUNKED + b"5\r\nhello\r\n0\r\n\r\n")) as server:
        response = await ask(client, server.url())
        in_use = client.open_connections()
        await client.close()

        assert (await read(response), in_use) == (b"hello", 0)
