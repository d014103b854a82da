"""Whatever is wrong with a request is the client's mistake: it is told so, at once, and nothing of ours breaks."""

import http.client
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from tests.chat.mutations import Mutant, mutants
from tests.chat.world import PATIENCE, World, make_world
from tests.live import Gateway
from tests.provider_stub import ProviderStub

SEED = 20_261_121
UNLIMITED = {"weekly_tokens": None, "student_weekly_tokens": 10**12, "student_requests_per_minute": None}
FIXED_BY_CLIENT = {200, 400, 404}


@pytest.fixture(scope="module")
def unlimited(django_db_setup: None, django_db_blocker: Any, gateway: Gateway) -> Iterator[World]:
    """A student who may ask as often and as much as there is."""
    with django_db_blocker.unblock(), ProviderStub() as stub, make_world(gateway, stub, policy=UNLIMITED) as world:
        yield world


def put(world: World, several: Iterable[Mutant]) -> Iterator[tuple[Mutant, int, bytes, float]]:
    """The status, the body and the seconds of each, over one connection: an answer is never taken for another's."""
    connection = http.client.HTTPConnection("127.0.0.1", world.gateway.port, timeout=PATIENCE)
    try:
        for mutant in several:
            headers = {"authorization": f"Bearer {world.key}", "content-type": mutant.content_type}
            started = time.perf_counter()
            connection.request("POST", "/v1/chat/completions", mutant.content, headers)
            response = connection.getresponse()
            body = response.read()
            yield mutant, response.status, body, time.perf_counter() - started
    finally:
        connection.close()


def time_of_good(world: World) -> float:
    """The seconds that a request takes with which nothing is wrong."""
    started = time.perf_counter()
    world.post().raise_for_status()
    return time.perf_counter() - started


def check(world: World, several: Iterable[Mutant]) -> tuple[Counter[int], list[float]]:
    statuses, seconds = Counter[int](), []
    for mutant, status, body, took in put(world, several):
        assert status in FIXED_BY_CLIENT, (status, body, mutant.kind, mutant.content_type, mutant.content[:2_000])
        if status != 200:
            assert b'"code":' in body
        statuses[status] += 1
        seconds.append(took)
    return statuses, seconds


@pytest.mark.timeout(300)  # a bound for a busy machine
@pytest.mark.usefixtures("committed_db")
def test_five_hundred_wrong_requests_are_answered_as_such(unlimited: World) -> None:
    statuses, _ = check(unlimited, mutants(unlimited.model.name, seed=SEED, count=500))

    assert statuses[400] > 125 < statuses[200] + 125
    assert unlimited.settled().held == 0


def test_the_same_seed_gives_the_same_requests() -> None:
    assert list(mutants("m", seed=1, count=50)) == list(mutants("m", seed=1, count=50))
