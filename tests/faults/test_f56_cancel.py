"""F56: clients that connect, ask, and go at once, hundreds of times a second. Nothing stays behind."""

import asyncio
import random
import time
from collections.abc import Callable

from tests.faults.conftest import Scale
from tests.faults.footprint import Footprint
from tests.faults.load import request
from tests.faults.scene import Scene

CLEAN_WITHIN = 5.0
SLACK = 25.0
MOST_AT_ONCE = 64


def test_nothing_is_left_of_those_who_go_at_once(scene: Scene, scale: Scale, report: Callable[[str], None]) -> None:
    seconds, rate = scale.pick(1, 20) * scale.rounds(battery=1), scale.pick(200, 1_000)

    cycles = asyncio.run(connect_and_cancel(scene, seconds=seconds, rate=rate))
    ended = time.monotonic()
    while Footprint.of(scene.gateway).sockets > scene.before.sockets and time.monotonic() - ended < SLACK:
        time.sleep(0.1)
    clean = time.monotonic() - ended

    findings = scene.findings(within=60.0)
    report(
        f"F56 connect and cancel: {cycles} in {seconds} s; as before after {clean:.1f} s (goal {CLEAN_WITHIN:g}); "
        f"checker: {findings or 'silent'}"
    )
    assert findings == []
    assert clean < CLEAN_WITHIN + SLACK


async def connect_and_cancel(scene: Scene, *, seconds: float, rate: int) -> int:
    """At most so many a second for so long, each going at a moment of its own; how many there were."""
    chance, places, running = random.Random(rate), asyncio.Semaphore(MOST_AT_ONCE), set()
    started = time.monotonic()
    cycles = 0
    while (now := time.monotonic()) < started + seconds:
        while cycles < (now - started) * rate:
            await places.acquire()
            task = asyncio.create_task(_cycle(scene, cycles, chance.uniform(0, 0.02)))
            running.add(task)
            task.add_done_callback(lambda task: (running.discard(task), places.release()))
            cycles += 1
        await asyncio.sleep(0.005)
    await asyncio.gather(*running)
    return cycles


async def _cycle(scene: Scene, number: int, pause: float) -> None:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", scene.gateway.port)
    except OSError:
        return
    writer.write(request(scene.student(number), "goes at once"))
    await asyncio.sleep(pause)
    writer.transport.abort()
