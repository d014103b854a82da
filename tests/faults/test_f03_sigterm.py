"""F03: SIGTERM to the process group of `make run` with many live streams.

Listeners close at once, streams run to their end or to the limit, then end with an error event, and all are settled
and kept. Without streams it is over in a second.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from tests.chat.world import wait_until
from tests.faults.conftest import Scale
from tests.faults.judge import judge
from tests.faults.load import Transcript, all_at_once, ask
from tests.faults.scene import Scene, make_scene
from tests.live import Gateway, make_run, start_gateway

CHUNK_SECONDS = 0.1
IDLE_STOP = 1.0
SLACK = 10.0  # this is about what happens, not about how busy the machine is


def test_streams_end_by_themselves_or_with_an_event(
    data_dir: Path, scale: Scale, report: Callable[[str], None]
) -> None:
    rounds, streams, grace = scale.rounds(battery=3), scale.pick(30, 200), scale.pick(3, 30)
    closed, exits, idle = [], [], []
    ends: set[tuple[str, str]] = set()
    findings: list[str] = []

    for _ in range(rounds):
        with make_run(data_dir, SHUTDOWN_TIMEOUT_SECONDS=str(grace)) as gateway, make_scene(gateway) as scene:
            said, seconds_closed, seconds = terminate_while_streaming(scene, streams, grace=grace)
            closed.append(seconds_closed)
            exits.append(seconds)
            gateway.stop()  # it has ended already; this is the proof that the end was clean
            ends |= {(transcript.end, transcript.code) for transcript in said}
            with start_gateway(data_dir) as again:  # whose worker brings the rest of the text to the database
                scene.gateway = again
                findings += judge(scene, within=30, refusals=frozenset({"shutting_down"}))
                idle.append(seconds_to_stop(again))

    report(
        f"F03 SIGTERM: {rounds} x {streams} streams, grace {grace} s; closed to others after {max(closed):.2f} s, "
        f"exit after {max(exits):.1f} (goal {grace + 1}), idle after {max(idle):.1f} (goal {IDLE_STOP:g}); "
        f"checker: {findings or 'silent'}"
    )
    assert findings == []
    assert ends == {("done", ""), ("error", "shutting_down")}
    assert max(exits) < grace + 1 + SLACK
    assert max(idle) < IDLE_STOP + SLACK


def terminate_while_streaming(scene: Scene, streams: int, *, grace: float) -> tuple[list[Transcript], float, float]:
    """Half of the streams end in good time, half would take far longer. What they got, and two times after the signal:
    when nobody else could connect any more, and when all was over."""
    short, long = (round(share * grace / CHUNK_SECONDS) for share in (0.2, 10))
    for words in (short, long):
        scene.stub.will(times=streams // 2, repeats_prompt=True, text="word " * words, chunk_delay=CHUNK_SECONDS)
    begun = len(scene.stub.journal)

    async def stream_and_terminate() -> tuple[list[Transcript], float, float]:
        asking = asyncio.create_task(all_at_once(ask(scene.student(n), patience=180) for n in range(streams)))
        await asyncio.to_thread(scene.stub.wait_until, lambda: len(scene.stub.journal) == begun + streams, seconds=30)
        signalled = time.monotonic()
        scene.gateway.terminate()
        await asyncio.to_thread(wait_until, lambda: not is_open(scene.gateway), what="The end of accepting")
        closed = time.monotonic() - signalled
        await asyncio.to_thread(scene.gateway.process.wait, grace + 60)
        return await asking, closed, time.monotonic() - signalled

    said, closed, seconds = asyncio.run(stream_and_terminate())
    return scene.add(said), closed, seconds


def is_open(gateway: Gateway) -> bool:
    try:
        return httpx.get(f"{gateway.base_url}/health/ready", timeout=1).status_code == 200
    except httpx.TransportError:
        return False


def seconds_to_stop(gateway: Gateway) -> float:
    started = time.monotonic()
    gateway.stop()
    return time.monotonic() - started
