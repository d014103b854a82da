"""F57: students who ask and do not read. Memory stays bounded, others do not notice, and they are cut off.

For the battery alone: the suite has one such client in tests/chat/test_stalls.py.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from apps.chat.accounting.charges import most_text
from tests.chat.world import wait_until
from tests.faults.conftest import BATTERY_SECONDS, rounds_of
from tests.faults.footprint import Footprint
from tests.faults.load import ask, percentile
from tests.faults.scene import Scene, make_scene
from tests.live import start_gateway

BYTES_EACH = 256 * 1024
FLOOR = 32 * 2**20  # that memory may move anyway
WORD = "x" * 10_000 + " "
OVER = 10.0
OUTPUT = 20_000  # tokens: answers long enough to fill every buffer on the way


@pytest.mark.battery
@pytest.mark.timeout(BATTERY_SECONDS)
def test_who_does_not_read_is_held_back_and_then_cut_off(data_dir: Path, report: Callable[[str], None]) -> None:
    readers, stall = 200, 60
    rounds = rounds_of(1)
    growths, quiet, busy = [], [], []

    with start_gateway(
        data_dir, KEEPALIVE_EXPIRY="2", STALL_TIMEOUT=str(stall), CLIENT_STALL_TIMEOUT=str(stall)
    ) as gateway:
        with make_scene(gateway, default_output_tokens=OUTPUT) as scene:
            scene.world.allow_output(OUTPUT)
            for _ in range(rounds):
                quiet += scene.first_bytes()
                before = Footprint.of(gateway).memory
                growth, seconds = asyncio.run(stop_reading(scene, readers, stall=stall))
                growths.append(growth - before)
                busy += seconds
            # What piled up before the readers stopped may outrun the disk for a moment: then new calls are refused
            # rather than go unrecorded.
            findings = scene.findings(cuts=True, within=60.0, refusals=frozenset({"recording_unavailable"}))
        gateway.stop()

    # The text of an answer stays in memory until its end; what is beyond that are the queues.
    most = readers * (BYTES_EACH + most_text(OUTPUT))
    report(
        f"F57 slow readers: {rounds} x {readers}; memory grew by {max(growths) / 2**20:.0f} MB (goal "
        f"{most / 2**20:.0f}); others' first byte p99 {percentile(busy, 0.99) * 1000:.0f} ms beside "
        f"{percentile(quiet, 0.99) * 1000:.0f} without them; checker: {findings or 'silent'}"
    )
    assert findings == []
    assert max(growths) < most + FLOOR


async def stop_reading(scene: Scene, readers: int, *, stall: float) -> tuple[int, list[float]]:
    """Let so many students stop reading until they are cut off; memory meanwhile, and how others fared."""
    scene.stub.will(times=readers, text=WORD * 2_000)
    begun = len(scene.stub.journal)
    reading = []
    for number in range(readers):
        asking = ask(scene.student(number), pause=lambda _: stall * 10, patience=stall * 4 + 60)
        reading.append(asyncio.create_task(asking))
        await asyncio.sleep(OVER / readers)  # all at once they would outrun the disk, which is another fault
    await asyncio.to_thread(scene.stub.wait_until, lambda: len(scene.stub.journal) == begun + readers, seconds=60)
    await asyncio.sleep(min(2.0, stall / 2))
    memory = Footprint.of(scene.gateway).memory
    seconds = await asyncio.to_thread(scene.first_bytes)
    stuck = scene.stub.journal[begun : begun + readers]
    over = stall * 3 + 60
    await asyncio.to_thread(wait_until, lambda: all(one.over.is_set() for one in stuck), seconds=over, what="A cut")
    for task in reading:
        task.cancel()
    scene.add(await asyncio.gather(*reading))
    return memory, seconds
