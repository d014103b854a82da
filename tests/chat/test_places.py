"""A deployment that takes only so many calls at once: the others go elsewhere, or wait for their turn."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from apps.conversations.models import Call
from tests import factories
from tests.chat.pool import WorldPool
from tests.chat.world import World, make_world, text_of, wait_until
from tests.live import Gateway
from tests.provider_stub import ProviderStub


@pytest.fixture(scope="module")
def pool(gateway: Gateway) -> Iterator[WorldPool]:
    with WorldPool(gateway, batch=3, first={"max_concurrent": 1}) as pool:
        yield pool


def ask(world: World, *, key: str | None = None) -> str:
    return text_of(list(world.openai(key=key).chat.completions.create(**world.body(stream=True))))


def test_a_lab_does_not_starve_a_seminar(world: World, stub: ProviderStub) -> None:
    """Whoever comes last is next, if nobody else of the course is being answered."""
    seminar = factories.make_course()
    factories.allow(world.model, course=seminar)
    key = factories.make_key(factories.make_student(course=seminar))
    wait_until(lambda: world.model.name in world.get("/v1/models", key=key).text)
    stub.will(pause_after=1)

    with ThreadPoolExecutor(6) as students:
        lab = [students.submit(ask, world) for _ in range(5)]
        stub.wait_until(lambda: len(stub.journal) == 1)
        wait_until(lambda: world.usage()["held"] >= 5 * world.model.max_output_tokens)
        other = students.submit(ask, world, key=key)
        wait_until(lambda: world.get("/v1/usage", key=key).json()["held"] > 0)
        assert len(stub.journal) == 1
        stub.go_on()
        assert other.result() and all(one.result() for one in lab)

    keys = [asked.call for asked in stub.journal]
    assert keys.index(_call_of(seminar.pk)) == 1


def _call_of(course: int) -> str:
    return str(Call.objects.get(course=course).pk)


def test_another_deployment_answers_rather_than_let_somebody_wait(committed_db: None, gateway: Gateway) -> None:
    with (
        ProviderStub() as first,
        ProviderStub() as second,
        make_world(gateway, first, second, first={"max_concurrent": 1}) as world,
    ):
        first.will(pause_after=1)
        with ThreadPoolExecutor(1) as student:
            slow = student.submit(ask, world)
            first.wait_until(lambda: len(first.journal) == 1)
            began = time.monotonic()
            assert ask(world)
            assert time.monotonic() - began < 5.0
            first.go_on()
            assert slow.result()

    assert (len(first.journal), len(second.journal)) == (1, 1)


def test_whoever_leaves_while_it_waits_pays_nothing(world: World, stub: ProviderStub) -> None:
    stub.will(pause_after=1)

    with ThreadPoolExecutor(1) as student:
        slow = student.submit(ask, world)
        stub.wait_until(lambda: len(stub.journal) == 1)
        with pytest.raises(Exception, match="timed out"):
            world.post(world.body(stream=True), timeout=1.0)
        wait_until(lambda: any(call.status == "left" for call in world.calls()))
        stub.go_on()
        assert slow.result()

    (left,) = [call for call in world.calls() if call.status == "left"]
    assert left.charged == 0
    assert len(stub.journal) == 1
