"""Whoever asked may go at any moment, and nothing of it stays."""

import asyncio
import os
import random
from collections.abc import Callable

import pytest

from apps.common.clients import RelayClient, RelayError, RelayLimits
from tests.common.relay.certificates import Authority
from tests.common.relay.raw import CHUNKED, HELLO, OK, Peer, RawServer, ask, fetch, read, serving, until

TIMES = 1_000
AT_ONCE = 25
PLACES = 5
LARGE = b"x" * 1_000_000


def moody(dice: random.Random) -> Callable[[Peer], object]:
    """A server that answers at all speeds, and not always."""

    async def script(peer: Peer) -> None:
        await asyncio.sleep(dice.choice([0, 0, 0.001]))
        while True:
            await peer.request()
            await asyncio.sleep(dice.choice([0, 0.001, 0.003]))
            mood = dice.randrange(8)
            if mood == 0:
                return
            if mood == 1:
                peer.reset()
                return
            if mood == 2:
                await peer.send(OK + b"content-length: 9\r\n\r\nhel")
                return
            if mood == 3:
                await peer.send(OK + b"content-length: %d\r\n\r\n" % len(LARGE), LARGE)
            elif mood == 4:
                await peer.send(CHUNKED, *[b"5\r\nhello\r\n"] * 3, b"0\r\n\r\n")
            else:
                await peer.send(HELLO)

    return script


async def one(client: RelayClient, url: str, dice: random.Random) -> None:
    response = await ask(client, url, dice.choice(["GET", "POST"]), body=dice.choice([b"", LARGE]))
    try:
        await asyncio.sleep(dice.choice([0, 0.002]))
        await read(response)
    finally:
        response.close()


async def and_leave(client: RelayClient, url: str, dice: random.Random) -> str:
    task = asyncio.create_task(one(client, url, dice))
    for _ in range(dice.choice([0, 1, 2, 3, 5, 8])):  # rounds of the loop
        await asyncio.sleep(0)
    await asyncio.sleep(dice.choice([0, 0.0005, 0.002, 0.005, 0.02, 0.05]))
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return "left"
    except RelayError:
        return "failed"
    return "answered"


async def a_thousand_times(server: RawServer, url: str, dice: random.Random) -> dict[str, int]:
    """Each way of ending, and how often; and afterwards everything is as it was before."""
    files = len(os.listdir("/proc/self/fd"))
    limits = RelayLimits(connect_timeout=5, pool_timeout=0.02, keepalive_expiry=5, max_connections=PLACES)
    client = RelayClient(limits)
    counts = {"left": 0, "failed": 0, "answered": 0}
    for _ in range(TIMES // AT_ONCE):
        for result in await asyncio.gather(*(and_leave(client, url, dice) for _ in range(AT_ONCE))):
            counts[result] += 1
        assert client.open_connections() == 0
        assert server.open <= 3 * PLACES  # those that were left may be seen there a moment later
    await until(lambda: server.open <= PLACES)
    await all_places_are_there(client)
    await client.close()
    await until(lambda: server.open == 0)
    await until(lambda: len(os.listdir("/proc/self/fd")) <= files)
    return counts


async def all_places_are_there(client: RelayClient) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await together.wait()
        await peer.send(HELLO)

    together = asyncio.Barrier(PLACES)
    async with serving(script) as server:
        bodies = await asyncio.gather(*(fetch(client, server.url()) for _ in range(PLACES)))
    assert bodies == [b"hello"] * PLACES
    assert client.open_connections() == 0


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_thousand_cancellations_leave_every_place_free(scheme: str, authority: Authority) -> None:
    tls = authority.server("127.0.0.1") if scheme == "https" else None
    seed = random.randrange(1 << 30)
    print("seed", seed)
    async with serving(moody(random.Random(seed)), tls=tls) as server:  # type: ignore[arg-type]
        counts = await a_thousand_times(server, server.url(scheme=scheme), random.Random(seed))

    assert sum(counts.values()) == TIMES
    assert min(counts["left"], counts["answered"] + counts["failed"]) > TIMES / 100
