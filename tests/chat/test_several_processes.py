"""Limits of requests over two web processes: exact with Redis, each its part without. One of them is stopped, so that
it is known which of them answers."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.chat.world import PATIENCE, PROMPT, World, create_world, wait_until
from tests.live import Gateway, start_gateway
from tests.provider_stub import ProviderStub
from tests.servers import Redis

pytestmark = pytest.mark.timeout(180)

UNHURRIED = str(PATIENCE)  # a busy machine is no reason to count without Redis here


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    with Redis() as server:
        yield server


def web_processes(gateway: Gateway) -> list[int]:
    return [
        pid
        for pid in gateway.children()
        if b"gateway_project.processes.web" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


def spools(data_dir: Path) -> list[Path]:
    """One for each web process, once it has begun."""
    return list((data_dir / "spool").glob("*.sqlite3"))


@contextlib.contextmanager
def only(chosen: int, gateway: Gateway) -> Iterator[None]:
    """Stop all web processes but one."""
    others = [pid for pid in web_processes(gateway) if pid != chosen]
    for pid in others:
        os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: all(map(_is_stopped, others)), what="The end of what they were doing")
    try:
        yield
    finally:
        for pid in others:
            os.kill(pid, signal.SIGCONT)


def _is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def post(world: World, prompt: str = PROMPT) -> httpx.Response:
    """On a connection of its own."""
    headers = {"authorization": f"Bearer {world.key}"}
    url = f"{world.gateway.base_url}/v1/chat/completions"
    return httpx.post(url, json=world.body(prompt), headers=headers, timeout=PATIENCE)


def knows(world: World) -> bool:
    headers = {"authorization": f"Bearer {world.key}"}
    models = httpx.get(f"{world.gateway.base_url}/v1/models", headers=headers, timeout=PATIENCE).json()
    return world.model.name in [model["id"] for model in models.get("data", [])]


def wait_until_both_know(world: World, data_dir: Path) -> None:
    wait_until(lambda: len(spools(data_dir)) == 2, what="The start of both processes")
    for pid in web_processes(world.gateway):
        with only(pid, world.gateway):
            wait_until(lambda: knows(world), what="The process' notice of the world")


def admitted_by_each(gateway: Gateway, stub: ProviderStub, *, limit: int, times: int) -> list[int]:
    """How many of so many requests one process admits after the other."""
    with create_world(gateway, stub, policy={"student_requests_per_minute": limit}) as world:
        counts = []
        for pid in web_processes(gateway):
            with only(pid, gateway):
                wait_until(lambda: knows(world), what="The process' notice of the world")
                counts.append(sum(post(world).status_code == 200 for _ in range(times)))
        return counts


def test_with_redis_a_limit_is_exact_over_all_processes(data_dir: Path, plain_stub: ProviderStub, redis: Redis) -> None:
    environment = {"REDIS_URL": redis.url(), "REDIS_TIMEOUT": UNHURRIED, "WEB_CONCURRENCY": "2"}
    with start_gateway(data_dir, **environment) as gateway:
        wait_until(lambda: len(spools(data_dir)) == 2, what="The start of both processes")

        admitted = admitted_by_each(gateway, plain_stub, limit=20, times=14)

        gateway.stop()
    assert admitted == [14, 6]


def test_without_redis_each_process_admits_its_part_and_that_is_said(data_dir: Path, plain_stub: ProviderStub) -> None:
    with start_gateway(data_dir, WEB_CONCURRENCY="2") as gateway:
        wait_until(lambda: len(spools(data_dir)) == 2, what="The start of both processes")

        admitted = admitted_by_each(gateway, plain_stub, limit=9, times=8)

        gateway.stop()
    assert admitted == [5, 5]
    assert gateway.log.read_text().count("Set REDIS_URL") == 1
