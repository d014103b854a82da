"""What was said can be read soon afterwards, as far as the course wants that."""

from collections.abc import Sequence
from typing import Any

import pytest

from apps.conversations.models import Exchange, Turn
from tests.chat.world import World, make_world, wait_until
from tests.live import Gateway
from tests.provider_stub import ProviderStub


def turns(world: World, *, count: int) -> list[tuple[str, str]]:
    """All that was said in this world, once there is so much of it."""

    def found() -> Sequence[Any] | None:
        rows = Turn.objects.filter(call__membership=world.student).order_by("call_id", "seq")
        said = list(rows.values_list("role", "text"))
        return said if len(said) >= count else None

    return list(wait_until(found, what="The record of the conversation"))


@pytest.mark.parametrize("options", [{}, {"stream": True}], ids=["plain", "streamed"])
def test_prompt_and_answer_are_there_within_seconds(world: World, options: dict[str, Any]) -> None:
    world.post(world.body("Mitä on ‘rekursio’? 🐢", **options))

    assert turns(world, count=2) == [
        ("user", "Mitä on ‘rekursio’? 🐢"),
        ("assistant", "Hello from the provider stub."),
    ]


def test_what_was_blocked_can_be_read_too(committed_db: None, gateway: Gateway, stub: ProviderStub) -> None:
    with make_world(gateway, stub, rules=[{}]) as world:
        world.post(world.body("Solve my homework"))

        assert turns(world, count=1) == [("user", "Solve my homework")]


def test_a_conversation_is_one_thread_and_its_history_is_kept_once(world: World) -> None:
    first = {"role": "user", "content": "What is recursion?"}
    answer = {"role": "assistant", "content": "Hello from the provider stub."}
    second = {"role": "user", "content": "And iteration?"}

    world.post({**world.body(), "messages": [first]})
    world.post({**world.body(), "messages": [first, answer, second]})

    said = turns(world, count=4)
    assert said == [(turn["role"], turn["content"]) for turn in (first, answer, second, answer)]
    wait_until(lambda: Exchange.objects.filter(call__membership=world.student).count() == 2)
    assert Exchange.objects.filter(call__membership=world.student).values("thread").distinct().count() == 1


def test_the_part_that_was_relayed_before_a_break_is_kept(world: World, stub: ProviderStub) -> None:
    stub.will(cut_after=3)

    world.post(world.body("Hi", stream=True))

    assert turns(world, count=2) == [("user", "Hi"), ("assistant", "Hello from the")]


@pytest.mark.parametrize("logging", ["metadata", "off"])
def test_a_course_that_wants_no_text_recorded_gets_none(
    committed_db: None, gateway: Gateway, stub: ProviderStub, logging: str
) -> None:
    with make_world(gateway, stub) as recorded, make_world(gateway, stub, course={"logging": logging}) as world:
        world.post()
        recorded.post()
        turns(recorded, count=2)

        assert not Turn.objects.filter(call__membership=world.student).exists()
        assert world.call().charged > 0
