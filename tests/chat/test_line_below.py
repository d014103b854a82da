"""What rules that warn say stands below answers, in courses that want it."""

from collections.abc import Iterator

import pytest

from apps.conversations.models import Thread, Turn
from apps.rules.models import RuleSettings
from tests.chat.pool import WorldPool
from tests.chat.world import World, make_world, text_of, wait_until
from tests.live import Gateway
from tests.provider_stub import ProviderStub

SENTENCE = "Ask for a hint – not for the homework. 🦉"
RULE = {"name": "warned", "pattern": "my homework", "stage": "warn", "message": SENTENCE}
LINE = f"\n\nNote from your course: {SENTENCE}"
PROMPT = "Please solve my homework"


@pytest.fixture(scope="module")
def pool(gateway: Gateway) -> Iterator[WorldPool]:
    with WorldPool(gateway, batch=6, rules=[RULE], tells_in_answers=True) as pool:
        yield pool


def answer(world: World, prompt: str = PROMPT, *, is_stream: bool) -> str:
    if is_stream:
        return text_of(list(world.stream(prompt)))
    return world.ask(prompt).choices[0].message.content or ""


@pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "streamed"])
def test_the_line_is_below_the_answer_and_in_the_record_and_costs_nothing(world: World, is_stream: bool) -> None:
    without = answer(world, "Please explain a loop to me", is_stream=is_stream)
    before = world.settled().used

    told = answer(world, is_stream=is_stream)

    assert LINE not in without
    assert told.endswith(LINE) and told.removesuffix(LINE)
    first, second = world.calls()
    assert second.output_tokens == first.output_tokens  # as the provider reports them
    assert world.settled().used == before + second.charged
    recorded = wait_until(lambda: Turn.objects.filter(call=second, role="assistant").first(), what="The record")
    assert recorded.text == told


def test_what_goes_on_is_one_conversation_and_is_not_told_again(world: World) -> None:
    told = answer(world, is_stream=False)
    messages = [{"role": "user", "content": PROMPT}, {"role": "assistant", "content": told}]

    again = world.post(world.body(messages=[*messages, {"role": "user", "content": "Thanks"}])).json()

    assert "Note from your course" not in again["choices"][0]["message"]["content"]
    wait_until(lambda: len(world.calls()) == 2 and Turn.objects.filter(call=world.calls()[1]).exists())
    assert wait_until(lambda: Thread.objects.filter(membership=world.student).count()) == 1


def test_json_is_not_broken(world: World) -> None:
    options = {"response_format": {"type": "json_object"}}

    made = world.post(world.body(PROMPT, **options))

    assert "x-gateway-notice" in made.headers
    assert "Note from your course" not in made.text


@pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "streamed"])
def test_the_line_is_below_what_rules_for_answers_have_left(
    committed_db: None, gateway: Gateway, stub: ProviderStub, is_stream: bool
) -> None:
    cut = {"direction": "answer", "action": "redact", "pattern": r"[a-z]{3,9}\b", "replacement": "…"}

    with make_world(gateway, stub, rules=[RULE, cut], tells_in_answers=True) as world:
        told = answer(world, is_stream=is_stream)

    assert "…" in told and told.endswith(LINE)


def test_a_course_that_does_not_want_it_has_the_header_alone(world: World) -> None:
    RuleSettings.objects.get(course=world.course).delete()

    wait_until(lambda: LINE not in answer(world, is_stream=False), what="An answer without the line")
    assert "x-gateway-notice" in world.post(world.body(PROMPT)).headers
