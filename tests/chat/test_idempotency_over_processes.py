"""An Idempotency-Key over two web processes: the database decides which of them carries a request out."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import openai
import pytest

from apps.chat.models import Repeat
from apps.common.ids import new_id
from tests.chat.processes import both, only, wait_until_both_know
from tests.chat.world import PATIENCE, World, make_world, wait_until
from tests.live import Gateway, models_on
from tests.provider_stub import ProviderStub

TWINS = 32


@pytest.fixture(scope="module")
def two(two_processes: Gateway, django_db_blocker: Any) -> Iterator[tuple[World, ProviderStub]]:
    """A world that two web processes know. One of them may be killed in it."""
    with (
        django_db_blocker.unblock(),
        models_on(two_processes.data_dir),
        ProviderStub() as stub,
        make_world(two_processes, stub) as world,
    ):
        wait_until_both_know(world)
        yield world, stub


def post(world: World, key: str, **options: Any) -> httpx.Response:
    """On a connection of its own, which either process may take."""
    headers = {"authorization": f"Bearer {world.key}", "idempotency-key": key}
    url = f"{world.gateway.base_url}/v1/chat/completions"
    return httpx.post(url, json=world.body(**options), headers=headers, timeout=PATIENCE)


def test_of_many_at_both_one_is_carried_out(two: tuple[World, ProviderStub]) -> None:
    world, stub = two
    key, start = new_id(), threading.Barrier(TWINS)
    asked, called = len(stub.journal), len(world.calls())

    def ask() -> httpx.Response:
        start.wait()
        return post(world, key)

    with ThreadPoolExecutor(TWINS) as pool:
        responses = [future.result() for future in [pool.submit(ask) for _ in range(TWINS)]]

    assert (len(stub.journal) - asked, len(world.calls()) - called) == (1, 1)
    assert {response.status_code for response in responses} <= {200, 409}
    answers = [response for response in responses if response.status_code == 200]
    assert len([answer for answer in answers if "x-gateway-replayed" not in answer.headers]) == 1
    assert len({answer.content for answer in answers}) == 1


def test_each_of_them_gives_the_answer_again(two: tuple[World, ProviderStub]) -> None:
    world, _ = two
    key = new_id()
    first = post(world, key, stream=True)

    again = []
    for pid in both(world.gateway):
        with only(pid, world.gateway):
            again.append(post(world, key, stream=True))

    assert [response.content for response in again] == [first.content] * 2
    assert {response.headers["x-gateway-replayed"] for response in again} == {first.headers["x-request-id"]}


def test_the_key_of_a_call_whose_process_was_killed_is_free_again(two: tuple[World, ProviderStub]) -> None:
    """The first is charged by its last checkpoint, as every call that a crash interrupts; the repeat is another one."""
    world, stub = two
    key = new_id()
    stub.will(pause_after=2)
    headers = {"idempotency-key": key}
    first = world.openai().chat.completions.with_raw_response.create(**world.body(stream=True), extra_headers=headers)
    call, stream = first.headers["x-request-id"], first.parse()

    world.gateway.kill_child("gateway_project.processes.web")
    with pytest.raises(openai.APIConnectionError):
        list(stream)
    wait_until(lambda: not Repeat.objects.filter(call=call).exists(), what="The end of the claim")
    world.gateway.wait_until_ready()
    again = post(world, key)

    assert again.status_code == 200
    assert "x-gateway-replayed" not in again.headers
    assert {record.pk: record.status for record in world.calls()}[call] == "interrupted"
