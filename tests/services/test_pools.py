"""Which connections a service uses: its own, with its own limits, and not longer than it exists."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from apps.common.clients import ConnectFailed, NonFree
from apps.services.pools import ServicePools
from apps.services.registry import Connections, Entry
from tests.common.relay.raw import CHUNKED, HELLO, Peer, ask, fetch, read, replies, serving, until
from tests.services.entries import entry as make_entry


@pytest.fixture
def entry() -> Entry:
    return make_entry(connections=Connections(most=2, most_idle=2, expiry=5.0))


@pytest.fixture
async def pools() -> AsyncIterator[ServicePools]:
    pools = ServicePools()
    yield pools
    await pools.close()
    assert pools.open_connections() == 0


def read_again(entry: Entry, **changes: Any) -> Entry:
    """As after a change of any row: another value, equal or not."""
    return replace(entry, **changes)


async def two_pieces(peer: Peer) -> None:
    """An answer that ends when the client sends another byte."""
    await peer.request()
    await peer.send(CHUNKED, b"3\r\none\r\n")
    await peer.reader.readexactly(1)
    await peer.send(b"3\r\ntwo\r\n0\r\n\r\n")
    await peer.has_left()


async def hangs(peer: Peer) -> None:
    await peer.request()
    await peer.has_left()


async def test_a_service_that_hangs_takes_no_connection_of_another(entry: Entry, pools: ServicePools) -> None:
    other = read_again(entry, id=entry.id + 1)
    async with serving(hangs) as hanging, serving(replies(HELLO)) as well:
        asking = [asyncio.create_task(ask(pools.of(entry), hanging.url())) for _ in range(2)]
        await until(lambda: len(hanging.requests) == 2)
        with pytest.raises(NonFree):
            await ask(pools.of(entry), hanging.url(), patience=0.05)
        body = await fetch(pools.of(other), well.url())
        for task in asking:
            task.cancel()
        await asyncio.wait(asking)

    assert body == b"hello"


async def test_other_changes_leave_the_connections_alone(entry: Entry, pools: ServicePools) -> None:
    async with serving(replies(HELLO)) as server:
        await fetch(pools.of(entry), server.url())
        await fetch(pools.of(read_again(entry)), server.url())
        await fetch(pools.of(read_again(entry, max_body_bytes=5)), server.url())

    assert server.connections == 1


async def test_new_limits_count_at_once_and_cut_nothing(entry: Entry, pools: ServicePools) -> None:
    changed = read_again(entry, connections=Connections(most=1, most_idle=1, expiry=1.0))
    async with serving(two_pieces) as server, serving(replies(HELLO)) as idle:
        before = pools.of(entry)
        await fetch(before, idle.url())
        response = await ask(before, server.url())
        first = await response.read()
        after = pools.of(changed)
        await until(lambda: idle.open == 0)
        response.connection.write(b"x")  # type: ignore[union-attr]
        rest = await read(response)
        await until(lambda: server.open == 0)

    assert (first, rest) == (b"one", b"two")
    assert after is not before
    assert pools.of(changed) is after


async def test_a_deleted_service_keeps_what_it_is_relaying_and_nothing_else(entry: Entry, pools: ServicePools) -> None:
    async with serving(two_pieces) as server, serving(replies(HELLO)) as idle:
        await fetch(pools.of(entry), idle.url())
        response = await ask(pools.of(entry), server.url())
        pools.keep([])
        await until(lambda: idle.open == 0)
        during = pools.open_connections()
        response.connection.write(b"x")  # type: ignore[union-attr]
        body = await read(response)
        await until(lambda: server.open == 0)

    assert (during, body) == (1, b"onetwo")


async def test_closing_ends_what_retired_clients_relay(entry: Entry, pools: ServicePools) -> None:
    async with serving(two_pieces) as server:
        await ask(pools.of(entry), server.url())
        pools.keep([])
        await pools.close()
        await until(lambda: server.open == 0)


async def test_a_service_has_a_connect_timeout_of_its_own(entry: Entry, pools: ServicePools) -> None:
    hurried = read_again(entry, timeouts=replace(entry.timeouts, connect=0.1))
    with socket.socket() as full, contextlib.ExitStack() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        async with asyncio.timeout(2):
            with pytest.raises(ConnectFailed):
                await ask(pools.of(hurried), f"http://127.0.0.1:{full.getsockname()[1]}/")
