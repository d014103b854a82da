"""A prompt that a rule refuses."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from apps.conversations.models import RuleHit
from tests.chat.pool import WorldPool
from tests.chat.world import World, make_world
from tests.live import Gateway
from tests.provider_stub import ProviderStub

SENTENCE = "Ask for a hint instead – we want to see *your* work. 🦉"
FORBIDDEN = "Please SOLVE my  homework"


@pytest.fixture(scope="module")
def pool(gateway: Gateway) -> Iterator[WorldPool]:
    with WorldPool(gateway, rules=[{"name": "no-homework", "message": SENTENCE}]) as pool:
        yield pool


def refusal(world: World, prompt: str = FORBIDDEN, **options: Any) -> openai.BadRequestError:
    with pytest.raises(openai.BadRequestError) as caught:
        world.ask(prompt, **options)
    return caught.value


def test_the_student_reads_the_instructor_s_sentence(world: World) -> None:
    error = refusal(world)

    assert error.status_code == 400
    assert error.code == "blocked_by_rule"
    assert isinstance(error.body, dict)
    assert error.body["message"] == SENTENCE


def test_nothing_is_charged(world: World) -> None:
    before = world.usage()

    refusal(world)

    assert world.usage() == before


def test_nothing_leaves_for_a_provider(world: World, stub: ProviderStub) -> None:
    refusal(world)

    assert stub.journal == []


def test_a_stream_is_refused_in_the_same_way_before_it_begins(world: World) -> None:
    error = refusal(world, stream=True)

    assert error.code == "blocked_by_rule"


def test_the_client_does_not_repeat_it(world: World) -> None:
    with pytest.raises(openai.BadRequestError):
        world.openai(max_retries=2).chat.completions.create(**world.body(FORBIDDEN))

    assert len(world.calls()) == 1


def test_it_is_written_down_with_the_place_of_the_match(world: World) -> None:
    error = refusal(world)

    call = world.call()
    hit = RuleHit.objects.get(call=call)
    assert (call.id, call.status, call.charged) == (error.request_id, "blocked", 0)
    assert (hit.name, hit.action, hit.stage, hit.message) == ("no-homework", "block", "enforce", 0)
    assert FORBIDDEN[hit.start : hit.end] == "SOLVE my  homework"


def test_a_harmless_prompt_is_answered(world: World) -> None:
    assert world.ask("What is recursion?").choices[0].message.content


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "system", "content": FORBIDDEN}, {"role": "user", "content": "Hi"}],
        [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": FORBIDDEN}]}],
        [{"role": "user", "content": f"{'ä👋' * 20_000} {FORBIDDEN}"}],
        [
            {"role": "user", "content": FORBIDDEN},
            {"role": "assistant", "content": "No."},
            {"role": "user", "content": "Please!"},
        ],
    ],
    ids=["system message", "in a part", "far inside", "in the history"],
)
def test_it_is_found_wherever_it_stands(world: World, messages: list[Any]) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        world.openai().chat.completions.create(model=world.model.name, messages=messages)

    assert caught.value.code == "blocked_by_rule"


def test_of_several_blocking_rules_the_highest_priority_speaks(
    committed_db: None, gateway: Gateway, stub: ProviderStub
) -> None:
    rules = [
        {"priority": 1, "message": "Low."},
        {"priority": 9, "message": "High."},
        {"priority": 5, "message": "Mid."},
    ]
    with make_world(gateway, stub, rules=rules) as world:
        error = refusal(world)

        assert isinstance(error.body, dict)
        assert error.body["message"] == "High."


@pytest.mark.parametrize(("stage", "is_announced", "is_recorded"), [("draft", 0, 0), ("observe", 0, 1), ("warn", 1, 1)])
def test_a_rule_that_is_not_enforced_blocks_nothing(
    committed_db: None, gateway: Gateway, stub: ProviderStub, stage: str, is_announced: int, is_recorded: int
) -> None:
    with make_world(gateway, stub, rules=[{"stage": stage}]) as world:
        response = world.post(world.body(FORBIDDEN))

        assert response.status_code == 200
        assert ("x-gateway-rules" in response.headers) == bool(is_announced)
        assert RuleHit.objects.filter(call=world.call()).count() == is_recorded


def test_rules_of_another_course_do_not_matter(
    world: World, committed_db: None, gateway: Gateway, stub: ProviderStub
) -> None:
    with make_world(gateway, stub) as other:
        assert other.ask(FORBIDDEN).choices[0].message.content
