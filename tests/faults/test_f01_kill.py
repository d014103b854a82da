"""F01: kill -9 of the web process with many live streams.

Clients see a cut. What the dead process held is charged at its last checkpoint, never given back blindly and never
stuck; no more text is lost than since that checkpoint; and somebody else can ask again at once.
"""

import asyncio
import random
import time
from collections.abc import Callable
from pathlib import Path

from tests.chat.world import wait_until
from tests.faults.conftest import Scale
from tests.faults.footprint import web_processes
from tests.faults.load import all_at_once, ask
from tests.faults.scene import Scene, make_scene
from tests.live import start_gateway

RESOLVED_WITHIN, ANSWERING_WITHIN = 5.0, 2.0  # seconds
SLACK = 20.0  # this is about what happens, not about how busy the machine is


def test_a_killed_process_leaves_nothing_stuck_and_nothing_free(
    data_dir: Path, scale: Scale, report: Callable[[str], None]
) -> None:
    rounds, streams = scale.rounds(battery=10), scale.pick(20, 200)
    resolved, answering = [], []

    with start_gateway(data_dir, KEEPALIVE_EXPIRY="2") as gateway, make_scene(gateway) as scene:
        for number in range(rounds):
            kill_while_streaming(scene, streams, after=random.Random(number).uniform(0.5, 4.0))
            killed = time.monotonic()
            wait_until(lambda: is_answering(scene), what="An answer after the kill")
            answering.append(time.monotonic() - killed)
            wait_until(lambda: is_resolved(scene), what="The end of all holds")
            resolved.append(time.monotonic() - killed)
        findings = scene.findings(cuts=True, unanswered=True, refusals=frozenset({"shutting_down"}))
        gateway.stop()

    report(
        f"F01 kill -9: {rounds} x {streams} streams; answering again after at most {max(answering):.1f} s (goal "
        f"{ANSWERING_WITHIN:g}), all holds resolved after {max(resolved):.1f} (goal {RESOLVED_WITHIN:g}); "
        f"checker: {findings or 'silent'}"
    )
    assert findings == []
    assert max(answering) < ANSWERING_WITHIN + SLACK
    assert max(resolved) < RESOLVED_WITHIN + SLACK


def kill_while_streaming(scene: Scene, streams: int, *, after: float) -> None:
    """Begin so many streams, and kill the process that serves them a while after the last has begun."""
    scene.stub.always(repeats_prompt=True, text="word " * 100, chunk_delay=0.1)
    begun = len(scene.stub.journal)

    async def stream_and_kill() -> None:
        asking = asyncio.create_task(all_at_once((ask(scene.student(n)) for n in range(streams)), over=1))
        await asyncio.to_thread(scene.stub.wait_until, lambda: len(scene.stub.journal) >= begun + streams, seconds=30)
        await asyncio.sleep(after)
        scene.gateway.kill_child("gateway_project.processes.web")
        scene.add(await asking)

    asyncio.run(stream_and_kill())


def is_answering(scene: Scene) -> bool:
    scene.stub.always(repeats_prompt=True)
    (said,) = scene.add(asyncio.run(all_at_once([ask(scene.student(0))])))
    return said.end == "done"


def is_resolved(scene: Scene) -> bool:
    return all(week.held == 0 for week in scene.evidence().weeks) and bool(web_processes(scene.gateway))
