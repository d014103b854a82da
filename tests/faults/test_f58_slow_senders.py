"""F58: floods of connections that send slowly, or nothing. They are let go in time, and others are served meanwhile.

For the battery alone: the suite has one such client in tests/server/test_protocol.py.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chat.world import wait_until
from tests.faults.conftest import BATTERY_SECONDS, rounds_of
from tests.faults.footprint import Footprint
from tests.faults.load import percentile, request
from tests.faults.scene import Scene, make_scene
from tests.live import start_gateway

SLACK = 10.0


@pytest.mark.battery
@pytest.mark.timeout(BATTERY_SECONDS)
def test_slow_senders_are_let_go_and_others_served(data_dir: Path, report: Callable[[str], None]) -> None:
    flood, receipt = 990, 10
    rounds = rounds_of(2)
    quiet, busy, freed = [], [], []

    with start_gateway(data_dir, KEEPALIVE_EXPIRY="2", RECEIPT_TIMEOUT=str(receipt)) as gateway:
        with make_scene(gateway) as scene:
            for _ in range(rounds):
                quiet += scene.first_bytes()
                seconds, slots = asyncio.run(trickle(scene, flood, receipt=receipt))
                busy += seconds
                freed.append(slots)
            findings = scene.findings()
        gateway.stop()

    report(
        f"F58 slow senders: {rounds} x {flood} connections; others' first byte p99 {percentile(busy, 0.99) * 1000:.0f} "
        f"ms beside {percentile(quiet, 0.99) * 1000:.0f} without them; all let go after {max(freed):.1f} s (goal "
        f"{receipt + 2}); checker: {findings or 'silent'}"
    )
    assert findings == []
    assert max(freed) < receipt + 2 + SLACK


async def trickle(scene: Scene, flood: int, *, receipt: float) -> tuple[list[float], float]:
    """A third sends nothing, a third half a head, a third half a body, a byte at a time. How others fared, and the
    seconds until every one of them was let go."""
    starts = (b"", request(scene.student(0), "slow")[:40], request(scene.student(0), "slow")[:-40])
    connections = [await _open(scene, starts[number % 3]) for number in range(flood)]
    started = time.monotonic()
    dripping = asyncio.create_task(_drip([writer for writer in connections if writer is not None]))
    seconds = await asyncio.to_thread(scene.first_bytes)
    await asyncio.to_thread(wait_until, lambda: is_clear(scene), seconds=receipt + 60, what="The end of the flood")
    dripping.cancel()
    for writer in connections:
        if writer is not None:
            writer.transport.abort()
    return seconds, time.monotonic() - started


def is_clear(scene: Scene) -> bool:
    """All connections that came are gone, but for idle ones to the provider."""
    return Footprint.of(scene.gateway).sockets <= scene.before.sockets + scene.stub.connections


async def _open(scene: Scene, start: bytes) -> asyncio.StreamWriter | None:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", scene.gateway.port)
    except OSError:
        return None  # refused: as good as let go
    writer.write(start)
    return writer


async def _drip(writers: list[asyncio.StreamWriter]) -> None:
    while True:
        for writer in writers:
            if not writer.is_closing():
                writer.write(b"x")
        await asyncio.sleep(1)
