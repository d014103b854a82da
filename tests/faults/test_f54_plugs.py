"""F37 to F54: under load, one provider after another goes wrong in every way, and no student notices.

The first of three providers has its plug pulled: it hangs, refuses connections, breaks them, reports errors or says
nothing at all. Whoever asks meanwhile is answered whole by another one, and hardly anybody meets it while it is down.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.chat.world import wait_until
from tests.faults.conftest import BATTERY_SECONDS, Scale
from tests.faults.judge import judge
from tests.faults.load import Transcript, ask, percentile
from tests.faults.scene import Scene, make_scene
from tests.live import start_gateway

PROCESSES = {"WEB_CONCURRENCY": "2", "KEEPALIVE_EXPIRY": "2"}
FIRST_BYTE = 1.0  # the limit of the first provider, in seconds
RATE = 50.0  # calls a second in the battery
MOST_A_MINUTE = 5  # calls that meet a provider that hangs, once that is known

ERROR = b'data: {"error": {"message": "overloaded", "code": 503}}\n\n'
SAID_NOTHING = b'{"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 0, "total_tokens": 1}}'
EVENTS = {"content-type": "text/event-stream"}
PLUGS: dict[str, dict[str, Any]] = {
    "hangs": {"hang_before_first_byte": True},
    "breaks connections": {"reset": True},
    "is overloaded": {"status": 503},
    "limits rates": {"status": 429, "headers": {"retry-after": "2"}},
    "reports an error in a 200": {"headers": EVENTS, "body": ERROR},
    "says nothing": {"body": SAID_NOTHING},
    "has lost the model": {"status": 404},
    "knows no key": {"status": 401},
}


@dataclass(slots=True)
class Pulled:
    """How one plug went: what students got meanwhile, and how often the provider was asked."""

    plug: str
    said: list[Transcript] = field(default_factory=list)
    met: int = 0

    @property
    def lost(self) -> list[Transcript]:
        return [one for one in self.said if one.end not in ("done", "whole")]


@contextlib.contextmanager
def many_providers(data_dir: Path) -> Iterator[Scene]:
    with start_gateway(data_dir, **PROCESSES) as gateway:
        limits = {"timeout_seconds": FIRST_BYTE}
        with make_scene(gateway, providers=3, first=limits, student_concurrent_requests=1000) as scene:
            wait_until(lambda: is_known(scene), what="Every process' notice of the course")
            yield scene
        gateway.stop()


def is_known(scene: Scene) -> bool:
    """To both processes: calls come as they will, and for two seconds none meets a process that has not heard of it.

    These calls are no part of the run.
    """
    warming_up = asyncio.run(asks(scene, seconds=2.0, rate=15.0))
    return all(said.code != "model_not_found" for said in warming_up)


def test_no_student_notices(data_dir: Path, scale: Scale, report: Callable[[str], None]) -> None:
    plugs = scale.pick(share=["hangs"], battery=sorted(PLUGS))
    seconds, rate = scale.pick(share=2.0, battery=20.0), scale.pick(share=15.0, battery=RATE)

    with many_providers(data_dir) as scene:
        pulled = [asyncio.run(pull(scene, plug, seconds=seconds, rate=rate)) for plug in plugs]
        wrong = judge(scene, attempts=3.0, unreached=True, resent=True, files=60)

    for one in pulled:
        waits = [said.first_byte - said.started for said in one.said if said.first_byte is not None]
        report(
            f"F54 the first provider {one.plug}: {len(one.said)} calls in {seconds:g} s, {len(one.lost)} lost, "
            f"{one.met} met it; first byte p50 {percentile(waits, 0.5) * 1000:.0f} ms, p99 "
            f"{percentile(waits, 0.99) * 1000:.0f} ms"
        )
    report(f"F54 judge: {wrong or 'silent'}")
    assert [(one.plug, said.end, said.status, said.code) for one in pulled for said in one.lost] == []
    assert wrong == []


async def pull(scene: Scene, plug: str, *, seconds: float, rate: float) -> Pulled:
    """Pull the plug of the first provider for a while, under load, and put it back."""
    before = len(scene.stub.journal)
    scene.stub.always(**PLUGS[plug])
    said = await asks(scene, seconds=seconds, rate=rate)
    met = len(scene.stub.journal) - before
    scene.stub.always(repeats_prompt=True)
    return Pulled(plug, scene.add(said), met)


async def asks(scene: Scene, *, seconds: float, rate: float) -> list[Transcript]:
    """So many calls a second, plain and streamed, whatever becomes of those before."""
    chance, asking = random.Random(7), []
    for number in range(int(seconds * rate)):
        asking.append(asyncio.create_task(ask(scene.student(number), stream=chance.random() < 0.7)))
        await asyncio.sleep(1 / rate)
    return list(await asyncio.gather(*asking))


@pytest.mark.battery
@pytest.mark.timeout(BATTERY_SECONDS)
def test_hardly_anybody_meets_a_provider_that_is_known_to_hang(data_dir: Path, report: Callable[[str], None]) -> None:
    minutes = 2

    with many_providers(data_dir) as scene:
        first = asyncio.run(pull_for_good(scene, seconds=FIRST_BYTE + 1))
        begun = len(scene.stub.journal)
        said = scene.add(asyncio.run(asks(scene, seconds=60.0 * minutes, rate=RATE)))
        met = len(scene.stub.journal) - begun
        scene.stub.always(repeats_prompt=True)
        wrong = judge(scene, attempts=3.0, unreached=True, resent=True, files=60)

    lost = [(one.end, one.status, one.code) for one in (*first, *said) if one.end not in ("done", "whole")]
    report(
        f"F54 a provider that hangs: {len(first)} calls until that was known, then {met} of {len(said)} met it in "
        f"{minutes} minutes (goal {MOST_A_MINUTE} a minute); {len(lost)} lost; judge: {wrong or 'silent'}"
    )
    assert lost == []
    assert met <= MOST_A_MINUTE * minutes
    assert wrong == []


async def pull_for_good(scene: Scene, *, seconds: float) -> list[Transcript]:
    scene.stub.always(**PLUGS["hangs"])
    return scene.add(await asks(scene, seconds=seconds, rate=RATE))
