"""F55: students leave at the five worst moments. None of them gets a free token, and the provider is told to stop."""

import asyncio
from collections.abc import Callable

import pytest

from tests.faults.conftest import Scale
from tests.faults.load import Transcript, all_at_once, ask, is_after, percentile, request
from tests.faults.scene import Scene
from tests.provider_stub import ProviderStub

WORDS = 12
CLOSED_WITHIN = 2.5  # seconds until the provider is told
SLACK = 1.0  # for a busy machine

Leaving = Callable[[Scene, int], list[Transcript]]


def before_it_is_known_who_asks(scene: Scene, times: int) -> list[Transcript]:
    """Half a head, and gone."""

    async def one(number: int) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", scene.gateway.port)
        writer.write(request(scene.student(number), "never sent whole")[:60])
        await writer.drain()
        writer.transport.abort()

    async def all_of_them() -> None:
        await asyncio.gather(*(one(number) for number in range(times)))

    asyncio.run(all_of_them())
    return []


def before_the_first_byte(scene: Scene, times: int) -> list[Transcript]:
    scene.stub.will(times=times, repeats_prompt=True, hang_before_first_byte=True)
    asked = len(scene.stub.journal)

    async def all_of_them() -> list[Transcript]:
        asking = [asyncio.create_task(ask(scene.student(number))) for number in range(times)]
        await asyncio.to_thread(scene.stub.wait_until, lambda: len(scene.stub.journal) == asked + times, seconds=30)
        for task in asking:
            task.cancel()
        return list(await asyncio.gather(*asking))

    return asyncio.run(all_of_them())


def leave_when(scene: Scene, times: int, leave: Callable[[Transcript], bool]) -> list[Transcript]:
    options = {"stream_options": {"include_usage": True}}
    return asyncio.run(all_at_once(ask(scene.student(number), leave=leave, **options) for number in range(times)))


def in_the_middle(scene: Scene, times: int) -> list[Transcript]:
    scene.stub.will(times=times, repeats_prompt=True, text="word " * WORDS, pause_after=WORDS)
    return leave_when(scene, times, is_after(WORDS // 2))


def just_before_the_usage(scene: Scene, times: int) -> list[Transcript]:
    scene.stub.will(times=times, repeats_prompt=True, text="word " * WORDS, usage_delay=0.3)
    return leave_when(scene, times, lambda said: b'"finish_reason": "stop"' in said.body)


def between_usage_and_done(scene: Scene, times: int) -> list[Transcript]:
    scene.stub.will(times=times, repeats_prompt=True, text="word " * WORDS, done_delay=0.3)
    return leave_when(scene, times, lambda said: b'"completion_tokens"' in said.body)


POINTS = (
    before_it_is_known_who_asks,
    before_the_first_byte,
    in_the_middle,
    just_before_the_usage,
    between_usage_and_done,
)


@pytest.mark.parametrize("point", POINTS, ids=[point.__name__ for point in POINTS])
def test_leaving_gives_no_free_tokens(
    scene: Scene, scale: Scale, report: Callable[[str], None], point: Leaving
) -> None:
    rounds, times = scale.rounds(battery=10), scale.pick(10, 100)
    late: list[float] = []

    for _ in range(rounds):
        begun = len(scene.stub.journal)
        left = scene.add(point(scene, times))
        scene.stub.wait_until(lambda begun=begun: all_over(scene.stub, begun), seconds=30)
        late += lateness(scene, left)

    findings = scene.findings()
    told = f"provider told after p99 {percentile(late, 0.99):.2f} s, at most {max(late, default=0):.2f}"
    report(
        f"F55 {point.__name__.replace('_', ' ')}: {rounds} x {times}; {told} (goal {CLOSED_WITHIN}); "
        f"checker: {findings or 'silent'}"
    )
    assert findings == []
    assert max(late, default=0.0) < CLOSED_WITHIN + SLACK


def all_over(stub: ProviderStub, begun: int) -> bool:
    return all(exchange.over.is_set() for exchange in stub.journal[begun:])


def lateness(scene: Scene, left: list[Transcript]) -> list[float]:
    """Seconds from each student's leaving to the end at the provider."""
    asked = {exchange.messages[-1]["content"]: exchange for exchange in scene.stub.journal}
    return [asked[said.prompt].over_at - said.ended for said in left]
