"""F14 to F16: Redis is away from the start, dies under load, freezes, and forgets everything.

Students notice nothing: no error of ours, nobody waits for Redis longer than its budget and soon nobody waits at all.
Limits hold all the while, each process' part of them; and once Redis is back, all processes share them again.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from redis import Redis as Client

from apps.common.redis_client import MAX_CONNECTIONS
from tests.chat.world import wait_until
from tests.conftest import METRICS_TOKEN
from tests.faults.conftest import Scale
from tests.faults.load import Transcript, all_at_once, ask, percentile
from tests.faults.scene import Scene, make_scene
from tests.live import Gateway, models_on, separate_gateway, start_gateway
from tests.servers import Redis

BUDGET = 0.025
SLACK = 5.0  # this is about what happens, not about how busy the machine is
PLENTY = {"student_requests_per_minute": 10**6, "student_concurrent_requests": 10**4}
GONE, BACK = "Redis does not answer in time", "Redis answers again"


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    """Each test leaves it running."""
    with Redis() as server:
        yield server


@pytest.fixture(scope="module")
def limiting(pristine: Path, redis: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    parent = tmp_path_factory.mktemp("redis")
    with separate_gateway(
        pristine, parent, REDIS_URL=redis.url(), KEEPALIVE_EXPIRY="2", METRICS_TOKEN=METRICS_TOKEN
    ) as gateway:
        yield gateway


@pytest.fixture
def scene(committed_db: None, limiting: Gateway) -> Iterator[Scene]:
    """Students who are limited, but never reach their limits."""
    with models_on(limiting.data_dir), make_scene(limiting, **PLENTY) as scene:
        yield scene


def load(scene: Scene, *, seconds: float, during: Callable[[], None] = lambda: None) -> list[Transcript]:
    """Students who ask without pause, four at a time; something happens in the middle. Nobody may be refused."""

    async def student(number: int, until: float) -> list[Transcript]:
        said = []
        while time.monotonic() < until:
            said.append(await ask(scene.student(number)))
        return said

    async def students() -> list[Transcript]:
        until = time.monotonic() + seconds
        asking = [asyncio.create_task(student(number, until)) for number in range(4)]
        await asyncio.sleep(seconds / 3)
        await asyncio.to_thread(during)
        return [one for said in await asyncio.gather(*asking) for one in said]

    transcripts = scene.add(asyncio.run(students()))
    assert {one.end for one in transcripts} == {"done"}
    return transcripts


def slowest(transcripts: list[Transcript]) -> float:
    return percentile((one.first_byte - one.started for one in transcripts if one.first_byte is not None), 0.99)


def redis_is_used(gateway: Gateway) -> bool:
    """Whether it answers, and the limits are counted there. The log does not say so each time."""
    health = httpx.get(f"{gateway.base_url}/health", headers={"authorization": f"Bearer {METRICS_TOKEN}"}, timeout=10)
    conditions: dict[str, str] = {one["name"]: one["status"] for one in health.json()["components"]}
    return conditions["redis"] == "healthy"


def log_of(scene: Scene) -> str:
    return scene.gateway.log.read_text()


@pytest.mark.parametrize("fault", ["stopped", "frozen", "forgetful"])
def test_students_notice_nothing(
    scene: Scene, redis: Redis, scale: Scale, report: Callable[[str], None], fault: str
) -> None:
    faults: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "stopped": (redis.kill, redis.start),
        "frozen": (redis.freeze, redis.resume),
        "forgetful": (lambda: forget(redis, times=scale.pick(5, 100)), lambda: None),
    }
    begin, end = faults[fault]
    gone = log_of(scene).count(GONE)
    rounds, usual, faulty = scale.rounds(battery=10), [], []

    for _ in range(rounds):
        usual += load(scene, seconds=2)
        faulty += load(scene, seconds=3, during=begin)
        end()
        wait_until(lambda: redis_is_used(scene.gateway), what="The return of Redis")
    findings = scene.findings(sockets=MAX_CONNECTIONS)

    report(
        f"F14-F16 Redis {fault}: {rounds} rounds, {len(faulty)} answers meanwhile, none refused or failed; first byte "
        f"p99 {slowest(usual) * 1000:.0f} ms before, {slowest(faulty) * 1000:.0f} ms with the fault; "
        f"checker: {findings or 'silent'}"
    )
    assert findings == []
    assert slowest(faulty) < slowest(usual) + BUDGET + SLACK
    if fault != "forgetful":
        assert log_of(scene).count(GONE) - gone < 10 * rounds  # said when it changes, not for each request


def forget(redis: Redis, *, times: int) -> None:
    with Client.from_url(redis.url()) as client:
        for _ in range(times):
            client.flushall()
            time.sleep(0.01)


def test_without_redis_from_the_start_limits_hold_and_are_shared_once_it_comes(data_dir: Path, redis: Redis) -> None:
    redis.kill()
    limits = {"student_requests_per_minute": 5, "student_concurrent_requests": 100}

    with (
        # A busy machine is no reason to count without Redis.
        start_gateway(data_dir, REDIS_URL=redis.url(), REDIS_TIMEOUT="5", KEEPALIVE_EXPIRY="2") as gateway,
        make_scene(gateway, **limits) as scene,
    ):
        away = scene.add(asyncio.run(all_at_once(ask(scene.student(0)) for _ in range(12))))
        redis.start()
        wait_until(lambda: BACK in log_of(scene), what="The return of Redis")
        back = scene.add(asyncio.run(all_at_once(ask(scene.student(1)) for _ in range(12))))
        findings = scene.findings(sockets=MAX_CONNECTIONS, refusals=frozenset({"rate_limit_exceeded"}))
        gateway.stop()

    assert [one.status for one in away].count(200) == 5
    assert [one.status for one in back].count(200) == 5
    assert {one.status for one in away + back} == {200, 429}
    assert findings == []
