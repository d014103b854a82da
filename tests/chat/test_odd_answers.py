"""Answers that are unlike OpenAI's: what the official client makes of them, and what they cost."""

import json
from typing import Any

import openai
import pytest

from tests.chat.world import World, text_of
from tests.provider_stub import ProviderStub

USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
NOTHING_USED = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}


STOP = chunk({}, "stop")
END = [{"id": "c", "choices": [], "usage": USAGE}, b"data: [DONE]\n\n"]


def raw(content: str) -> bytes:
    """An event with this between its quotation marks, word for word."""
    return b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n' % content.encode("latin-1")


STREAMS: dict[str, tuple[list[Any], str]] = {
    "half a character in each of two events": (
        [raw(r"before \ud83d"), raw(r"\ude00 after"), STOP, *END],
        "before 😀 after",
    ),
    "no UTF-8": ([raw("caf\xe9"), STOP, *END], "caf\ufffd"),
    "a byte order mark": ([b"\xef\xbb\xbf" + raw("Hello"), STOP, *END], "Hello"),
    "Azure's filter": (
        [
            {"id": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]},
            chunk({"role": "assistant", "content": ""}),
            chunk({"content": "Hello"}),
            {"id": "", "choices": [{"index": 0, "finish_reason": None, "content_filter_offsets": {}}]},
            STOP,
            {"id": "c", "choices": [], "usage": None},
            *END,
        ],
        "Hello",
    ),
    "usage in every event": (
        [chunk({"content": "Hel"}, usage=USAGE), chunk({"content": "lo"}, usage=USAGE), STOP, *END],
        "Hello",
    ),
}


@pytest.mark.parametrize(("events", "text"), STREAMS.values(), ids=STREAMS.keys())
def test_the_loop_that_everybody_writes_gets_all_words(
    world: World, stub: ProviderStub, events: list[Any], text: str
) -> None:
    stub.will(events=events)

    chunks = list(world.stream())

    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == text_of(chunks) == text
    assert all(chunk.usage is None for chunk in chunks)
    assert (world.call().status, world.usage()["used"]) == ("answered", 18)


def test_so_it_does_of_a_plain_answer(world: World, stub: ProviderStub) -> None:
    stub.will(plain=rb'{"choices":[{"index":0,"message":{"role":"assistant","content":"cut \ud83d"},"x":NaN}]}')

    answer = world.ask()

    assert answer.choices[0].message.content == "cut \ufffd"


@pytest.mark.parametrize("is_stream", [False, True])
def test_a_provider_that_reports_nothing_is_not_free(world: World, stub: ProviderStub, is_stream: bool) -> None:
    stub.will(text="word " * 150, usage=NOTHING_USED)

    world.post(world.body(stream=is_stream))

    call = world.call()
    assert (call.status, call.is_estimated) == ("answered", True)
    assert call.charged > 100


ERRORS: dict[str, Any] = {
    "vLLM": {"object": "error", "message": "engine died", "type": "InternalServerError", "code": 500},
    "a text": {"error": "acct_secret is overloaded"},
    "by name": b'event: error\ndata: "acct_secret is overloaded"\n\n',
    "by finish reason": chunk({"content": ""}, "error"),
}


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS.keys())
def test_what_comes_after_an_error_is_no_answer(world: World, stub: ProviderStub, error: Any) -> None:
    stub.will(events=[chunk({"content": "Hello"}), error, chunk({"content": "not this"}), STOP, *END])
    text = ""

    with pytest.raises(openai.APIError) as caught:
        for one in world.stream():
            text += one.choices[0].delta.content or ""

    assert (text, caught.value.code) == ("Hello", "upstream_interrupted")
    assert "acct_secret" not in str(caught.value)
    assert world.call().status == "failed"


def test_integers_of_any_size_reach_the_provider_as_they_are(world: World, stub: ProviderStub) -> None:
    world.post(world.body(seed=12345678901234567890123))

    assert b":12345678901234567890123" in stub.last.raw
    assert json.loads(stub.last.raw)["seed"] == 12345678901234567890123
