"""F19, F20, F22: PostgreSQL is away for half a minute, restarts again and again under load, or lends few connections.

A chaos link stands before the server, so that what happens to it happens to the gateway alone. Nothing that was
promised is lost: streams end whole, what is refused is refused with a clear code, and nobody is charged twice.

The outage and the few connections are for the battery alone: the suite has a short outage, and streams that hold no
connection, in tests/postgresql/test_outage.py.
"""

import asyncio
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.chat.world import wait_until
from tests.faults.conftest import BATTERY_SECONDS, Scale, rounds_of
from tests.faults.link import Link
from tests.faults.load import Transcript, all_at_once, ask, percentile
from tests.faults.scene import Scene, make_scene
from tests.live import postgresql_url, start_gateway

AWAY = frozenset({"quota_backend_unavailable", "database_unavailable", "service_unavailable"})
BACK_WITHIN, DRAINED_WITHIN = 1.0, 10.0
SLACK = 20.0  # this is about what happens, not about how busy the machine is
POOL = 4

pytestmark = pytest.mark.skipif(not os.environ.get("DATABASE_URL"), reason="PostgreSQL only; see `make battery`")


@contextmanager
def linked(data_dir: Path, **settings: str) -> Iterator[tuple[Scene, Link]]:
    """A scene at a gateway that reaches its database through a chaos link."""
    server = urlsplit(postgresql_url(data_dir))
    assert server.hostname and server.port
    with Link((server.hostname, server.port)) as link:
        name = f"{server.username}:{server.password}" if server.password else server.username
        url = server._replace(netloc=f"{name}@127.0.0.1:{link.port}").geturl()
        with start_gateway(data_dir, DATABASE_URL=url, KEEPALIVE_EXPIRY="2", **settings) as gateway:
            with make_scene(gateway) as scene:
                yield scene, link
            gateway.stop()


def away(link: Link) -> None:
    link.will(refuse=True)
    link.reset_all()


async def ask_again_and_again(scene: Scene, until: Callable[[], bool]) -> list[Transcript]:
    """Short calls, four at a time, until something has happened."""

    async def student(number: int) -> list[Transcript]:
        said = []
        while not until():
            said.append(await ask(scene.student(number)))
            await asyncio.sleep(0.02)
        return said

    return [one for said in await asyncio.gather(*map(student, range(4))) for one in said]


@pytest.mark.battery
@pytest.mark.timeout(BATTERY_SECONDS)
def test_an_outage_of_half_a_minute_costs_refusals_only(data_dir: Path, report: Callable[[str], None]) -> None:
    rounds, streams, seconds = rounds_of(2), 100, 30
    back = []

    with linked(data_dir) as (scene, link):
        for _ in range(rounds):
            returned = asyncio.run(stream_through_an_outage(scene, link, streams, seconds=seconds))
            wait_until(lambda: is_answering(scene), what="The first success after the return")
            back.append(time.monotonic() - returned)
        settled = time.monotonic()
        findings = scene.findings(refusals=AWAY, within=60)
        drained = time.monotonic() - settled

    refused = sum(said.end == "refused" for said in scene.transcripts)
    report(
        f"F19 PostgreSQL away: {rounds} x {seconds} s, {streams} streams, {refused} refusals; first success "
        f"{max(back):.1f} s after its return (goal {BACK_WITHIN:g}), all settled and kept {drained:.1f} s later (goal "
        f"{DRAINED_WITHIN:g}); checker: {findings or 'silent'}"
    )
    assert findings == []
    assert max(back) < BACK_WITHIN + SLACK


async def stream_through_an_outage(scene: Scene, link: Link, streams: int, *, seconds: float) -> float:
    """Streams that begin before and end during it, and calls that come meanwhile. When the database was back."""
    scene.stub.will(times=streams, repeats_prompt=True, text="word " * 30, chunk_delay=seconds / 60)
    begun = len(scene.stub.journal)
    streaming = asyncio.create_task(all_at_once(ask(scene.student(number)) for number in range(streams)))
    await asyncio.to_thread(scene.stub.wait_until, lambda: len(scene.stub.journal) == begun + streams, seconds=30)
    away(link)
    until = time.monotonic() + seconds
    refused = await ask_again_and_again(scene, lambda: time.monotonic() > until)
    link.will()
    returned = time.monotonic()
    whole = await streaming
    scene.add(refused)
    scene.add(whole)
    assert {said.end for said in whole} == {"done"}
    assert {said.end for said in refused} == {"refused"}
    return returned


def is_answering(scene: Scene) -> bool:
    (said,) = scene.add(asyncio.run(all_at_once([ask(scene.student(0))])))
    return said.end == "done"


def test_restarts_under_load_cost_errors_only_while_it_is_down(
    data_dir: Path, scale: Scale, report: Callable[[str], None]
) -> None:
    rounds, chance = scale.rounds(battery=20), random.Random(20)
    back = []

    with linked(data_dir) as (scene, link):
        for _ in range(rounds):
            back.append(asyncio.run(restart_under_load(scene, link, down=chance.uniform(0.2, 1.0))))
        findings = scene.findings(refusals=AWAY, within=60)

    answered = sum(said.end == "done" for said in scene.transcripts)
    report(
        f"F20 PostgreSQL restarts: {rounds} under load, {answered} of {len(scene.transcripts)} answered; first success "
        f"after p99 {percentile(back, 0.99):.2f} s (goal {BACK_WITHIN:g}); checker: {findings or 'silent'}"
    )
    assert findings == []
    assert max(back) < BACK_WITHIN + SLACK


async def restart_under_load(scene: Scene, link: Link, *, down: float) -> float:
    """Every connection dies and none can be made for a moment. Seconds from its return to the next success."""
    over: list[float] = []
    asking = asyncio.create_task(ask_again_and_again(scene, lambda: bool(over) and time.monotonic() > over[0] + 3))
    await asyncio.sleep(1)
    await asyncio.to_thread(away, link)
    await asyncio.sleep(down)
    link.will()
    over.append(time.monotonic())
    said = scene.add(await asking)
    good = [one.ended - over[0] for one in said if one.end == "done" and one.started > over[0]]
    return min(good, default=SLACK + BACK_WITHIN)


def test_a_process_that_starts_while_it_is_away_says_so_in_a_line_and_starts_when_it_is_back(data_dir: Path) -> None:
    with linked(data_dir) as (scene, link):
        away(link)
        scene.gateway.kill_child("gateway_project.processes.web")
        wait_until(lambda: "cannot start" in scene.gateway.log.read_text(), what="A start in vain")

        link.will()

        assert wait_until(lambda: is_answering(scene), what="An answer after the return")
        # `linked` proves in the end that the log has no traceback.


@pytest.mark.battery
@pytest.mark.timeout(BATTERY_SECONDS)
def test_many_streams_live_on_few_connections(data_dir: Path, report: Callable[[str], None]) -> None:
    streams, most = 500, []

    with linked(data_dir, DATABASE_POOL_MAX_SIZE=str(POOL)) as (scene, link):
        for _ in range(rounds_of(1)):
            scene.stub.always(repeats_prompt=True, text="word " * 100, chunk_delay=0.2)
            said = asyncio.run(stream_and_count(scene, link, streams, most))
            assert {one.end for one in said} == {"done"}
        findings = scene.findings(within=60)

    report(
        f"F22 few connections: {streams} streams; at most {max(most)} connections to the database (goal 10); "
        f"checker: {findings or 'silent'}"
    )
    assert findings == []
    assert max(most) <= 10


async def stream_and_count(scene: Scene, link: Link, streams: int, most: list[int]) -> list[Transcript]:
    begun = len(scene.stub.journal)
    asking = asyncio.create_task(
        all_at_once((ask(scene.student(number), patience=300) for number in range(streams)), over=10)
    )
    while not asking.done():
        if len(scene.stub.journal) >= begun + streams // 2:
            most.append(link.connections)
        await asyncio.sleep(0.1)
    return scene.add(await asking)
