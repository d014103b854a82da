"""An answer in which a rule is found."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from apps.conversations.models import Call, RuleHit, Turn
from tests.chat.pool import WorldPool
from tests.chat.world import World, make_world, text_of, wait_until
from tests.live import Gateway
from tests.provider_stub import ProviderStub

NEEDLE = "EXAM-1234"
STOP = {"name": "stop", "direction": "answer", "pattern": "EXAM-[0-9]{4}", "message": "Not that."}
CUT = {"name": "cut", "direction": "both", "action": "redact", "pattern": "hunter[0-9]{1,3}z", "replacement": "[code]"}


@pytest.fixture(scope="module")
def pool(gateway: Gateway) -> Iterator[WorldPool]:
    with WorldPool(gateway, rules=[STOP, CUT]) as pool:
        yield pool


def stopped_stream(world: World) -> tuple[str, openai.APIError]:
    """What a client has got of a stream until it broke off, and with what."""
    got: list[Any] = []
    with pytest.raises(openai.APIError) as caught:
        got.extend(iter_into(got, world))
    return text_of(got), caught.value


def iter_into(got: list[Any], world: World) -> Iterator[Any]:
    for chunk in world.stream():
        got.append(chunk)
    yield from ()


# A rule that blocks


def test_a_plain_answer_is_refused_and_says_what_it_cost(world: World, stub: ProviderStub) -> None:
    stub.will(text=f"It is {NEEDLE}, my dear.")

    with pytest.raises(openai.BadRequestError) as caught:
        world.ask()

    assert isinstance(caught.value.body, dict)
    assert (caught.value.code, caught.value.body["message"]) == ("blocked_by_rule", "Not that.")
    assert caught.value.body["charged"] == world.settled().used > 0
    assert NEEDLE not in caught.value.response.text


def test_the_client_does_not_ask_again(world: World, stub: ProviderStub) -> None:
    stub.always(text=NEEDLE)

    with pytest.raises(openai.BadRequestError):
        world.openai(max_retries=2).chat.completions.create(**world.body())

    assert len(stub.journal) == 1


def test_a_stream_ends_before_the_match_with_an_error(world: World, stub: ProviderStub) -> None:
    stub.will(text=f"{'Well then. ' * 20}It is {NEEDLE}, my dear. {'And so on. ' * 20}", pause_after=30)
    stream, got = world.stream(), list[Any]()
    while len(text_of(got)) < 20:  # or all of it may come at once, and nothing be shown of it
        got.append(next(stream))
    stub.go_on()

    with pytest.raises(openai.APIError) as caught:
        for chunk in stream:
            got.append(chunk)

    assert text_of(got).startswith("Well then. ") and "EXAM" not in text_of(got)
    assert caught.value.code == "blocked_by_rule"


def test_the_provider_is_stopped_and_what_it_had_made_is_charged(world: World, stub: ProviderStub) -> None:
    stub.will(text=f"{NEEDLE} {'word ' * 2_000}", chunk_delay=0.001)

    stopped_stream(world)

    stub.wait_until(lambda: stub.last.over.is_set())
    assert stub.last.left
    assert 0 < world.settled().used < 2_000


def test_staff_see_the_answer_and_where_the_rule_was_found(world: World, stub: ProviderStub) -> None:
    stub.will(text=f"It is {NEEDLE}.")

    stopped_stream(world)

    call = world.call()
    turn = wait_until(lambda: Turn.objects.filter(call=call, message=None).first(), what="The answer's text")
    hit = RuleHit.objects.get(call=call)
    assert (call.status, call.error_code) == (Call.Status.BLOCKED, "blocked_by_rule")
    assert (hit.direction, turn.text[hit.start : hit.end]) == ("answer", NEEDLE)


def test_the_reported_usage_of_a_plain_answer_is_charged(world: World, stub: ProviderStub) -> None:
    stub.will(text=NEEDLE, usage={"prompt_tokens": 11, "completion_tokens": 22})

    with pytest.raises(openai.BadRequestError):
        world.ask()

    call = world.call()
    assert (call.input_tokens, call.output_tokens, call.is_estimated) == (11, 22, False)


# A rule that redacts


def test_a_redacted_stream_goes_on_to_its_end(world: World, stub: ProviderStub) -> None:
    stub.will(text="It is hunter99z and hunter7z , yes.")

    chunks = list(world.stream(stream_options={"include_usage": True}))

    assert text_of(chunks) == "It is [code] and [code] , yes."
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == ["stop"]
    assert chunks[-1].usage is not None


def test_a_redacted_plain_answer_says_so(world: World, stub: ProviderStub) -> None:
    stub.will(text="It is hunter99z.")

    response = world.post()

    rule = world.course.rules.get(name="cut")
    assert response.json()["choices"][0]["message"]["content"] == "It is [code]."
    assert response.headers["x-gateway-rules"] == str(rule.pk)


def test_an_answer_that_is_redacted_goes_on_as_a_conversation(world: World, stub: ProviderStub) -> None:
    stub.will(text="It is hunter99z.")
    history: list[Any] = [{"role": "user", "content": "Tell me"}]
    answer = world.post(world.body(messages=history)).json()["choices"][0]["message"]

    world.post(world.body(messages=[*history, answer, {"role": "user", "content": "And?"}]))

    calls = wait_until(
        lambda: (c := world.calls()) and all(hasattr(x, "exchange") for x in c) and len(c) == 2 and c,
        what="Both calls' text",
    )
    assert calls[0].exchange.thread_id == calls[1].exchange.thread_id


def test_what_was_held_when_a_provider_breaks_off_is_given(world: World, stub: ProviderStub) -> None:
    stub.will(text="One two three hunter99z five", cut_after=4)

    got: list[Any] = []
    with pytest.raises(openai.APIError) as caught:
        for chunk in world.stream():
            got.append(chunk)

    assert text_of(got) == "One two three [code]"
    assert caught.value.code == "upstream_interrupted"


def test_what_was_held_when_a_student_leaves_is_charged(world: World, stub: ProviderStub) -> None:
    stub.will(text="One two three four", pause_after=3, no_usage=True)

    with world.stream():
        stub.wait_until(lambda: len(stub.journal) == 1 and len(stub.last.sent) == 3)

    assert world.settled().used > 0
    assert wait_until(world.calls)[0].status == Call.Status.LEFT


# No rule for answers


def test_nothing_is_held_back_where_no_rule_looks_at_answers(
    committed_db: None, gateway: Gateway, plain_stub: ProviderStub
) -> None:
    plain_stub.will(text="One two three", pause_after=2)
    with make_world(gateway, plain_stub, rules=[{"direction": "prompt"}]) as world:
        stream = iter(world.stream())

        got = [next(stream), next(stream), next(stream)]

        assert text_of(got) == "One two"
        plain_stub.go_on()
        list(stream)


def test_little_is_held_back_where_one_does(world: World, stub: ProviderStub) -> None:
    stub.will(text="word " * 40, pause_after=39)
    stream = iter(world.stream())

    got = ""
    while len(got) < 150:
        got += text_of([next(stream)])

    stub.go_on()
    assert got + text_of(list(stream)) == "word " * 40
