"""A client that repeats what it got no answer to, as the official ones do by themselves."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionChunk

from tests import factories
from tests.chat.world import PROMPT, World, make_world, text_of
from tests.live import Gateway
from tests.provider_stub import ProviderStub

LONG = " ".join(f"word{number}" for number in range(40))
KINDS = pytest.mark.parametrize("options", [{}, {"stream": True}], ids=["plain", "streamed"])


def attempt(world: World, number: int, *, key: str | None = None, prompt: str = PROMPT, **options: Any) -> Any:
    """One attempt of the official client, as a raw response: its first is number 0."""
    headers = {"x-stainless-retry-count": str(number)}
    completions = world.openai(key=key).chat.completions.with_raw_response
    return completions.create(**world.body(prompt, **options), extra_headers=headers)


def said(response: Any) -> str:
    answer = response.parse()
    if isinstance(answer, openai.Stream):
        chunks: list[ChatCompletionChunk] = list(answer)
        return text_of(chunks)
    return str(answer.choices[0].message.content)


def leave_after(world: World, chunks: int) -> str:
    """Begin a stream, read some of it, and go. The id of the call."""
    response = attempt(world, 0, stream=True)
    stream = response.parse()
    read = iter(stream)
    for _ in range(chunks + 1):
        next(read)
    stream.close()
    return str(response.headers["x-request-id"])


def test_a_client_that_was_cut_off_gets_the_whole_answer_from_the_same_call(world: World, stub: ProviderStub) -> None:
    stub.will(text=LONG, pause_after=20)
    call = leave_after(world, 10)

    again = attempt(world, 1, stream=True)
    stub.go_on()

    assert said(again) == LONG
    assert again.headers["x-gateway-replayed"] == call
    assert len(stub.journal) == 1
    assert (world.call().status, world.settled().used) == ("answered", world.call().charged)


@KINDS
def test_the_official_client_joins_its_own_first_attempt(
    world: World, stub: ProviderStub, options: dict[str, Any]
) -> None:
    stub.will(text=LONG, delay=1.0)
    client = world.openai(max_retries=5, timeout=0.4)

    answer = client.chat.completions.create(**world.body(**options))

    assert (text_of(list(answer)) if options else answer.choices[0].message.content) == LONG
    assert len(stub.journal) == 1
    assert world.call().status == "answered"


@KINDS
def test_an_answer_that_is_over_is_given_again_and_charged_once(
    world: World, stub: ProviderStub, options: dict[str, Any]
) -> None:
    stub.always(text=LONG)
    first = attempt(world, 0, **options)
    whole = said(first)
    used = world.settled().used

    again = attempt(world, 1, **options)

    assert said(again) == whole == LONG
    assert again.headers["x-gateway-replayed"] == first.headers["x-request-id"] != again.headers["x-request-id"]
    assert again.headers["x-gateway-provider"] == first.headers["x-gateway-provider"]
    assert (len(stub.journal), world.settled().used, len(world.calls())) == (1, used, 1)


def test_an_attempt_that_no_answer_is_known_of_is_a_call_and_costs(world: World, stub: ProviderStub) -> None:
    said(attempt(world, 1))

    response = attempt(world, 2, prompt="Another question")

    assert said(response) == "Hello from the provider stub."
    assert "x-gateway-replayed" not in response.headers
    assert (len(stub.journal), len(world.calls())) == (2, 2)


def test_a_first_attempt_is_always_carried_out(world: World, stub: ProviderStub) -> None:
    responses = [attempt(world, 0) for _ in range(3)]

    assert ["x-gateway-replayed" in response.headers for response in responses] == [False] * 3
    assert len(stub.journal) == 3


def test_nobody_gets_the_answer_of_another_key(world: World, stub: ProviderStub) -> None:
    attempt(world, 0)
    other = factories.make_key(factories.make_student(course=world.course))

    response = attempt(world, 1, key=other)

    assert "x-gateway-replayed" not in response.headers
    assert len(stub.journal) == 2


def test_an_attempt_that_failed_is_carried_out_again(world: World, stub: ProviderStub) -> None:
    stub.will(body=b"")
    with pytest.raises(openai.InternalServerError):
        attempt(world, 0)

    response = attempt(world, 1)

    assert "x-gateway-replayed" not in response.headers
    assert len(stub.journal) == 2


def test_a_repeat_takes_over_from_a_client_that_seems_to_be_there(world: World, stub: ProviderStub) -> None:
    stub.will(text=LONG, pause_after=5)
    first = iter(attempt(world, 0, stream=True).parse())
    next(first)

    again = attempt(world, 1, stream=True)
    with pytest.raises(openai.APIError) as caught:
        list(first)
    stub.go_on()

    assert caught.value.code == "superseded"
    assert said(again) == LONG
    assert len(stub.journal) == 1


def test_it_needs_no_place_beside_the_attempt_that_it_joins(
    committed_db: None, gateway: Gateway, plain_stub: ProviderStub
) -> None:
    plain_stub.will(text=LONG, pause_after=5)
    with make_world(gateway, plain_stub, policy={"student_concurrent_requests": 1}) as world:
        leave_after(world, 2)

        again = attempt(world, 1, stream=True)
        plain_stub.go_on()

        assert said(again) == LONG


def test_a_week_that_the_answer_used_up_does_not_keep_it_from_being_given_again(
    committed_db: None, gateway: Gateway, plain_stub: ProviderStub
) -> None:
    plain_stub.will(usage={"prompt_tokens": 600, "completion_tokens": 400})
    with make_world(gateway, plain_stub, policy={"student_weekly_tokens": 1000}) as world:
        attempt(world, 0)

        again = attempt(world, 1)

        assert said(again) == "Hello from the provider stub."
        assert again.headers["x-quota-remaining-tokens"] == "0"


# Clients that do not number their attempts


@KINDS
def test_an_older_client_joins_its_own_first_attempt(world: World, stub: ProviderStub, options: dict[str, Any]) -> None:
    """As openai-python did before it numbered them. It has given up when it asks again, half a second later."""
    stub.will(text=LONG, delay=3.0)
    asked = world.body(**options, extra_headers={"x-stainless-retry-count": openai.Omit()})
    with pytest.raises(openai.APITimeoutError):
        world.openai(timeout=1.0).chat.completions.create(**asked)
    time.sleep(0.6)

    answer = world.openai().chat.completions.create(**asked)

    assert (text_of(list(answer)) if options else answer.choices[0].message.content) == LONG
    assert len(stub.journal) == 1
    assert (world.call().status, world.settled().used) == ("answered", world.call().charged)


def test_two_clients_that_are_both_there_get_two_answers(world: World, stub: ProviderStub) -> None:
    stub.always(delay=0.5)

    with ThreadPoolExecutor() as pool:
        responses = list(pool.map(lambda _: world.post(), range(2)))

    assert ["x-gateway-replayed" in response.headers for response in responses] == [False, False]
    assert len(stub.journal) == 2


def test_another_body_or_another_key_does_not_join(world: World, stub: ProviderStub) -> None:
    other = factories.make_key(factories.make_student(course=world.course))
    stub.will(delay=10.0)
    with pytest.raises(httpx.ReadTimeout):
        world.post(timeout=1.0)

    responses = [world.post(world.body("Another question")), world.post(key=other)]

    assert ["x-gateway-replayed" in response.headers for response in responses] == [False, False]
    assert len(stub.journal) == 3
