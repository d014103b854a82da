"""The built-in provider that answers with the prompt."""

import json
import time
from typing import Any

import pytest

from apps.providers.adapters.echo import SECONDS_PER_WORD, EchoAdapter
from apps.providers.adapters.protocol import Outgoing
from apps.providers.routing import Candidate
from tests.providers.test_routing import a_target

TARGET = a_target("echo", adapter="echo", upstream_model="echo-1", secrets=())


async def answered(*messages: dict[str, Any], is_stream: bool = False, **options: Any) -> list[bytes]:
    body = {"model": "echo", "messages": list(messages), **options}
    outgoing = Outgoing(dialect="openai_chat", body=body, is_stream=is_stream, request_id="req-1")
    upstream = await EchoAdapter().open(Candidate(TARGET, None), outgoing)
    return [chunk async for chunk in upstream.chunks()]


async def plain(*messages: dict[str, Any], **options: Any) -> Any:
    (chunk,) = await answered(*messages, **options)
    return json.loads(chunk)


async def streamed(*messages: dict[str, Any], **options: Any) -> list[Any]:
    """The events of a stream, but for its end."""
    *events, last = await answered(*messages, is_stream=True, **options)
    assert last == b"data: [DONE]\n\n"
    assert all(event.startswith(b"data: ") and event.endswith(b"\n\n") for event in events)
    return [json.loads(event[6:]) for event in events]


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def text_of(events: list[Any]) -> str:
    return "".join(event["choices"][0]["delta"].get("content", "") for event in events if event["choices"])


PROMPTS: list[tuple[list[dict[str, Any]], str]] = [
    ([user("Hello there")], "Hello there"),
    ([user("")], ""),
    ([user("two  spaces")], "two  spaces"),
    ([user("Hyvää päivää 👋")], "Hyvää päivää 👋"),
    ([user([{"type": "text", "text": "in"}, {"type": "image_url"}, {"type": "text", "text": "parts"}])], "in parts"),
    ([user(None)], ""),
    ([user("first"), {"role": "assistant", "content": "x"}, user("last")], "last"),
    ([user("asked"), {"role": "tool", "content": "found"}], "asked"),
    ([{"role": "system", "content": "only this"}], "only this"),
]


@pytest.mark.parametrize(("messages", "answer"), PROMPTS, ids=[repr(answer) for _, answer in PROMPTS])
async def test_a_plain_answer_is_the_last_prompt(messages: list[dict[str, Any]], answer: str) -> None:
    choice = (await plain(*messages))["choices"][0]

    assert (choice["message"]["content"], choice["finish_reason"]) == (answer, "stop")


@pytest.mark.parametrize(("messages", "answer"), PROMPTS, ids=[repr(answer) for _, answer in PROMPTS])
async def test_a_stream_says_the_same(messages: list[dict[str, Any]], answer: str) -> None:
    events = await streamed(*messages)

    assert text_of(events) == answer


async def test_a_stream_has_the_form_that_clients_expect() -> None:
    first, word, finish, usage = await streamed(user("Hello"))

    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert word["choices"][0] == {"index": 0, "delta": {"content": "Hello"}, "logprobs": None, "finish_reason": None}
    assert finish["choices"][0]["finish_reason"] == "stop"
    assert usage["choices"] == []
    assert {(event["id"], event["object"], event["model"]) for event in (first, word, finish, usage)} == {
        ("chatcmpl-req-1", "chat.completion.chunk", "echo-1")
    }


async def test_usage_counts_a_token_a_word() -> None:
    messages = [{"role": "system", "content": "Be kind."}, user("one two three")]

    usage = [(await plain(*messages))["usage"], (await streamed(*messages))[-1]["usage"]]

    assert usage == [{"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}] * 2


CAPS = [
    ({"max_tokens": 2}, "one two", "length"),
    ({"max_completion_tokens": 1}, "one", "length"),
    ({"max_tokens": 3}, "one two three", "stop"),
    ({"max_tokens": 100}, "one two three", "stop"),
    ({"max_tokens": None}, "one two three", "stop"),
]


@pytest.mark.parametrize(("cap", "answer", "finish"), CAPS)
async def test_an_answer_is_cut_at_its_cap(cap: dict[str, Any], answer: str, finish: str) -> None:
    whole = await plain(user("one two three"), **cap)

    assert (whole["choices"][0]["message"]["content"], whole["choices"][0]["finish_reason"]) == (answer, finish)
    assert whole["usage"]["completion_tokens"] == len(answer.split())


async def test_a_stream_takes_its_time_over_every_word() -> None:
    started = time.monotonic()

    await streamed(user("one two three"))

    assert time.monotonic() - started >= 3 * SECONDS_PER_WORD


async def test_closing_is_harmless() -> None:
    outgoing = Outgoing(dialect="openai_chat", body={"messages": [user("x")]}, is_stream=True, request_id="r")

    (await EchoAdapter().open(Candidate(TARGET, None), outgoing)).close()
