"""Bodies that are larger than what a process may keep of them."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.faults.footprint import Footprint
from tests.live import Gateway
from tests.services.instances import UsersInstance
from tests.services.world import ServiceWorld, make_service_world

BLOCK = bytes(range(256)) * 4096
MIB = 1 << 20
GROWTH = 40 * MIB
EVERY = 0.05  # seconds between two looks

SIZES = [pytest.param(64 * MIB, id="64 MiB"), pytest.param(1 << 30, id="1 GiB", marks=pytest.mark.battery)]


@pytest.fixture
def world(committed_db: None, gateway: Gateway, users: UsersInstance) -> Iterator[ServiceWorld]:
    with make_service_world(gateway, users, max_body_bytes=2 << 30, retries=0) as world:
        yield world


@dataclass
class Growth:
    peak: int = 0


@contextmanager
def growth_of(gateway: Gateway) -> Iterator[Growth]:
    """Of the web processes, beyond what they had before."""
    growth, is_over, before = Growth(), threading.Event(), Footprint.of(gateway).memory

    def watch() -> None:
        while not is_over.wait(EVERY):
            growth.peak = max(growth.peak, Footprint.of(gateway).memory - before)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield growth
    finally:
        is_over.set()
        watching.join()


def blocks(size: int) -> Iterator[bytes]:
    for _ in range(size // len(BLOCK)):
        yield BLOCK


def digest(size: int) -> str:
    whole = hashlib.sha256()
    for block in blocks(size):
        whole.update(block)
    return whole.hexdigest()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_a_large_request_passes_through_without_being_kept(world: ServiceWorld, size: int, framing: str) -> None:
    headers = {"content-length": str(size)} if framing == "length" else {}

    with growth_of(world.gateway) as growth:
        received = world.echo("POST", "/", content=blocks(size), headers=headers)

    assert (received["length"], received["sha256"]) == (size, digest(size))
    assert growth.peak < GROWTH


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("chunked", ["false", "true"])
def test_a_large_answer_passes_through_without_being_kept(world: ServiceWorld, size: int, chunked: str) -> None:
    headers = {"authorization": f"Bearer {world.key}", "x-fail": f"how=big&bytes={size}&chunked={chunked}"}
    count = 0

    with growth_of(world.gateway) as growth, world.http.stream("GET", world.url(), headers=headers) as response:
        for block in response.iter_raw():
            count += len(block)

    assert (response.status_code, count) == (200, size)
    assert growth.peak < GROWTH


def test_a_caller_who_does_not_read_holds_up_the_instance(world: ServiceWorld) -> None:
    size = 64 * MIB
    headers = {"authorization": f"Bearer {world.key}", "x-fail": f"how=big&bytes={size}"}

    with growth_of(world.gateway) as growth, world.http.stream("GET", world.url(), headers=headers) as response:
        pieces = response.iter_raw()
        count = len(next(pieces))
        threading.Event().wait(0.5)
        count += sum(map(len, pieces))

    assert count == size
    assert growth.peak < GROWTH
