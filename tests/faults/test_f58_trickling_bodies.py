"""F58: 200 clients that trickle their bodies leave a web process free for others, and are answered in time.

For the battery alone: the suite has one such client in tests/server/test_protocol.py.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.conftest import BATTERY_SECONDS
from tests.faults.load import percentile
from tests.live import start_gateway
from tests.server.raw import status
from tests.services.instances import UsersInstance
from tests.services.world import ServiceWorld, make_service_world

TRICKLING, RECEIPT, EVERY = 200, 2.0, 0.25  # seconds
SLACK = 10.0
KINDS = ("content-length: 5000", "content-length: 5000000", "transfer-encoding: chunked")


@pytest.mark.battery
@pytest.mark.timeout(BATTERY_SECONDS)
def test_trickling_clients_leave_others_alone(data_dir: Path, tmp_path: Path, report: Callable[[str], None]) -> None:
    with start_gateway(data_dir, RECEIPT_TIMEOUT=str(RECEIPT), WEB_CONCURRENCY="1") as gateway:
        with UsersInstance(tmp_path / "users.sqlite3") as users, make_service_world(gateway, users) as world:
            quiet = served(world, seconds=RECEIPT)
            started = time.monotonic()
            statuses, busy = asyncio.run(trickle(world))
            freed = time.monotonic() - started
            assert users.open == 0
        gateway.stop()

    report(
        f"F58 trickling bodies: {TRICKLING}, answered {dict(statuses)} within {freed:.1f} s; others' {len(busy)} "
        f"requests p95 {percentile(busy, 0.95) * 1000:.0f} ms beside {percentile(quiet, 0.95) * 1000:.0f} without them"
    )
    assert statuses == {408: TRICKLING}
    assert freed < 2 * RECEIPT + SLACK
    assert percentile(busy, 0.95) < 4 * percentile(quiet, 0.95) + 0.1


async def trickle(world: ServiceWorld) -> tuple[Counter[int], list[float]]:
    clients = [asyncio.create_task(_client(world, KINDS[number % len(KINDS)])) for number in range(TRICKLING)]
    busy = await asyncio.to_thread(served, world, seconds=RECEIPT)
    return Counter(await asyncio.gather(*clients)), busy


def served(world: ServiceWorld, *, seconds: float) -> list[float]:
    """How long others wait, for so long, every one of whom is answered."""
    until, waits = time.monotonic() + seconds, []
    while (began := time.monotonic()) < until:
        world.get().raise_for_status()
        waits.append(time.monotonic() - began)
        time.sleep(0.01)
    return waits


async def _client(world: ServiceWorld, framing: str) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", world.gateway.port)
    head = f"POST {world.prefix}/ HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {world.key}\r\n{framing}\r\n\r\n"
    writer.write(head.encode())
    dripping = asyncio.create_task(_drip(writer, b"1\r\na\r\n" if "chunked" in framing else b"a"))
    try:
        async with asyncio.timeout(2 * RECEIPT + SLACK):
            return status(await reader.read(65_536))
    finally:
        dripping.cancel()
        writer.transport.abort()


async def _drip(writer: asyncio.StreamWriter, drop: bytes) -> None:
    while not writer.is_closing():
        writer.write(drop)
        await asyncio.sleep(EVERY)
