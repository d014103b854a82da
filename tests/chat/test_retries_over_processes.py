"""An official client whose next attempt reaches another web process than the one that makes its answer."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from django.db.models import Q
from redis import Redis as Client

from apps.conversations.models import Call
from apps.quotas.models import Hold
from tests.chat.conftest import GRACE
from tests.chat.processes import both, only, wait_until_both_know
from tests.chat.world import PATIENCE, World, make_world, wait_until
from tests.live import Gateway, models_on
from tests.provider_stub import ProviderStub
from tests.servers import Redis

LONG = " ".join(f"word{number}" for number in range(40))


@pytest.fixture(scope="module")
def two(two_with_redis: Gateway, django_db_blocker: Any) -> Iterator[tuple[World, ProviderStub]]:
    """A world that two web processes know, which share a Redis."""
    with (
        django_db_blocker.unblock(),
        models_on(two_with_redis.data_dir),
        ProviderStub() as stub,
        make_world(two_with_redis, stub) as world,
    ):
        wait_until_both_know(world)
        yield world, stub


class Student:
    """Talks to one web process, over a connection that it keeps."""

    def __init__(self, world: World, pid: int) -> None:
        self._world = world
        self._client = httpx.Client(
            base_url=world.gateway.base_url, headers={"authorization": f"Bearer {world.key}"}, timeout=PATIENCE
        )
        with only(pid, world.gateway):
            self._client.get("/v1/models").raise_for_status()

    def attempt(self, number: int, *, prompt: str, timeout: float = PATIENCE, **options: Any) -> httpx.Response:
        headers = {"x-stainless-retry-count": str(number)}
        body = self._world.body(prompt, **options)
        return self._client.post("/v1/chat/completions", json=body, headers=headers, timeout=timeout)

    def give_up(self, *, prompt: str) -> None:
        """Wait for an answer, not long enough."""
        with pytest.raises(httpx.ReadTimeout):
            self.attempt(0, prompt=prompt, timeout=0.3)

    def leave(self, *, prompt: str, after: int) -> str:
        """Begin a stream, read some of it, and go. The id of the call."""
        headers = {"x-stainless-retry-count": "0"}
        body = self._world.body(prompt, stream=True)
        with self._client.stream("POST", "/v1/chat/completions", json=body, headers=headers) as response:
            lines = response.iter_lines()
            for _ in range(after):
                next(lines)
            return response.headers["x-request-id"]

    def close(self) -> None:
        self._client.close()


@contextlib.contextmanager
def students(world: World) -> Iterator[tuple[Student, Student]]:
    one, other = (Student(world, pid) for pid in both(world.gateway))
    try:
        yield one, other
    finally:
        one.close()
        other.close()


def is_wanted(redis: Redis) -> bool:
    with Client.from_url(redis.url()) as client:
        return bool(client.keys("stoa:retry:*:wanted"))


def is_offered(redis: Redis) -> bool:
    with Client.from_url(redis.url()) as client:
        return b"open" in [client.get(key) for key in client.keys("stoa:retry:*")]


@pytest.fixture(autouse=True)
def nothing_offered(two: tuple[World, ProviderStub], redis: Redis) -> None:
    """Calls of tests before have ended, too, which would be taken for one that this test makes."""
    wait_until(lambda: not Hold.objects.filter(state=Hold.State.HELD).exists(), what="The end of all calls")
    with Client.from_url(redis.url()) as client:
        client.flushall()


def test_the_next_attempt_gets_the_answer_that_the_other_process_makes(
    two: tuple[World, ProviderStub], redis: Redis
) -> None:
    world, stub = two
    asked = len(stub.journal)
    stub.will(text=LONG, pause_after=20)
    with students(world) as (one, other), ThreadPoolExecutor() as pool:
        call = one.leave(prompt="First", after=10)
        wait_until(lambda: is_offered(redis), what="The offer")
        again = pool.submit(other.attempt, 1, prompt="First", stream=True)
        wait_until(lambda: is_wanted(redis), what="The second attempt")
        stub.go_on()
        response = again.result()

    assert response.status_code == 200
    assert response.headers["x-gateway-replayed"] == call
    assert "word39" in response.text
    assert response.text.endswith("data: [DONE]\n\n")
    assert len(stub.journal) - asked == 1
    assert Call.objects.get(pk=call).status == "answered"


def test_a_plain_answer_that_took_too_long_is_given_to_every_attempt_that_follows(
    two: tuple[World, ProviderStub], redis: Redis
) -> None:
    world, stub = two
    asked = len(stub.journal)
    stub.will(text=LONG, delay=1.0)
    with students(world) as (one, other):
        one.give_up(prompt="Second")
        wait_until(lambda: is_offered(redis), what="The offer")
        answers = [other.attempt(1, prompt="Second"), other.attempt(2, prompt="Second")]

    assert [answer.json()["choices"][0]["message"]["content"] for answer in answers] == [LONG] * 2
    assert len({answer.headers["x-gateway-replayed"] for answer in answers}) == 1
    assert len(stub.journal) - asked == 1


def test_the_provider_is_stopped_once_nobody_waits_any_more(two: tuple[World, ProviderStub], redis: Redis) -> None:
    world, stub = two
    stub.will(text=LONG, delay=60.0)
    with students(world) as (one, other):
        one.give_up(prompt="Fourth")
        wait_until(lambda: is_offered(redis), what="The offer")
        with pytest.raises(httpx.ReadTimeout):
            other.attempt(1, prompt="Fourth", timeout=2.5)

    # Later than it would have been for the first one's sake: the second had it go on.
    left = Q(status="left", duration_ms__gt=(GRACE + 1) * 1000)
    wait_until(lambda: Call.objects.filter(left, membership=world.student), what="The end of the call")


def test_without_redis_the_next_attempt_is_a_call_of_its_own(two: tuple[World, ProviderStub], redis: Redis) -> None:
    world, stub = two
    asked = len(stub.journal)
    with students(world) as (one, other):
        redis.kill()
        try:
            stub.will(text=LONG, delay=1.0)
            one.give_up(prompt="Fifth")
            response = other.attempt(1, prompt="Fifth")
        finally:
            redis.start()

    assert response.status_code == 200
    assert "x-gateway-replayed" not in response.headers
    assert len(stub.journal) - asked == 2
