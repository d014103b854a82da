"""A streamed answer."""

import json
import time
from typing import Any

import httpx
import pytest

from tests.chat.world import World, text_of
from tests.provider_stub import ProviderStub


def events_of(response: httpx.Response) -> list[str]:
    """The data of each event."""
    return [part.removeprefix("data: ") for part in response.text.split("\n\n") if part]


def test_the_answer_arrives_in_chunks(world: World) -> None:
    chunks = list(world.stream())

    assert text_of(chunks) == "Hello from the provider stub."
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks][-1] == "stop"


def test_without_being_asked_no_usage_chunk_appears(world: World) -> None:
    chunks = list(world.stream())

    assert all(chunk.choices for chunk in chunks)
    assert world.usage()["used"] > 0


def test_when_asked_the_usage_chunk_is_the_last(world: World) -> None:
    chunks = list(world.stream("one two three", stream_options={"include_usage": True}))

    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (3, 5)
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_the_reported_usage_is_charged_either_way(world: World) -> None:
    list(world.stream("one two three"))
    first = world.usage()["used"]
    list(world.stream("one two three", stream_options={"include_usage": True}))

    assert (first, world.usage()["used"]) == (8, 16)


def test_the_stream_ends_with_done(world: World) -> None:
    response = world.post(world.body(stream=True))

    assert events_of(response)[-1] == "[DONE]"
    assert response.text.endswith("data: [DONE]\n\n")


def test_when_done_arrives_everything_is_settled(world: World) -> None:
    world.post(world.body("one two three", stream=True))

    (call,) = world.calls()
    assert (call.status, call.charged, call.is_stream) == ("answered", 8, True)
    assert world.usage()["held"] == 0


def test_the_headers_say_that_it_is_a_stream_that_nobody_may_buffer(world: World) -> None:
    headers = world.post(world.body(stream=True)).headers

    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert headers["cache-control"] == "no-store"
    assert headers["x-accel-buffering"] == "no"
    assert "content-encoding" not in headers


def test_our_headers_come_before_the_answer(world: World) -> None:
    with world.openai().chat.completions.with_streaming_response.create(**world.body(stream=True)) as response:
        headers = response.headers

    assert headers["x-request-id"] == world.call().id
    assert int(headers["x-quota-remaining-tokens"]) < int(headers["x-quota-limit-tokens"])


def test_chunks_are_passed_on_as_they_come(world: World, stub: ProviderStub) -> None:
    stub.will(pause_after=2)
    chunks = iter(world.stream())

    early = [next(chunks), next(chunks), next(chunks)]
    stub.go_on()

    assert text_of(early) == "Hello from"
    assert text_of(list(chunks)) == " the provider stub."


def test_while_it_streams_tokens_are_held(world: World, stub: ProviderStub) -> None:
    stub.will(pause_after=1)
    chunks = iter(world.stream(max_tokens=500))
    next(chunks)

    during = world.usage()
    stub.go_on()
    list(chunks)

    assert during["used"] == 0
    assert during["held"] >= 500
    assert during["remaining"] == during["limit"] - during["held"]


FORMS: list[dict[str, Any]] = [
    {"split": 1},
    {"split": 7},
    {"line_end": "\r\n"},
    {"line_end": "\r\n", "split": 1},
    {"comments": True},
    {"no_done": True},
]


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_every_form_of_a_provider_s_stream_reads_the_same(
    world: World, stub: ProviderStub, form: dict[str, Any]
) -> None:
    stub.will(text="Hyvää päivää 👋 漢字", **form)

    assert text_of(list(world.stream())) == "Hyvää päivää 👋 漢字"
    assert world.usage()["used"] > 0


def test_reasoning_and_unknown_fields_pass(world: World, stub: ProviderStub) -> None:
    stub.will(reasoning="Let me think", text="Done.")

    events = [json.loads(data) for data in events_of(world.post(world.body(stream=True)))[:-1]]

    thoughts = [event["choices"][0]["delta"].get("reasoning_content") or "" for event in events]
    assert "".join(thoughts) == "Let me think"


def test_tool_calls_stream(world: World, stub: ProviderStub) -> None:
    stub.will(
        text="",
        tool_calls=[{"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}],
    )

    chunks = list(world.stream())

    calls = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or ()]
    assert calls[0].function is not None
    assert (calls[0].function.name, calls[0].function.arguments) == ("add", '{"a": 1}')


def test_a_stream_without_usage_is_charged_by_estimate(world: World, stub: ProviderStub) -> None:
    stub.will(no_usage=True, text="word " * 50)

    list(world.stream())

    call = world.call()
    assert call.is_estimated
    assert 25 <= call.output_tokens <= 250


def test_a_long_answer_arrives_whole(world: World, stub: ProviderStub) -> None:
    text = " ".join(f"word{number}" for number in range(5000))
    stub.will(text=text)

    assert text_of(list(world.stream())) == text


def test_the_first_words_do_not_wait_for_the_second(world: World, stub: ProviderStub) -> None:
    stub.will(pause_after=1)
    started = time.monotonic()

    chunks = iter(world.stream())
    next(chunks)

    assert time.monotonic() - started < 5.0
    stub.go_on()
