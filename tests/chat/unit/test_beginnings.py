"""When an answer has begun: what it says before that commits nobody to anything."""

import json
from typing import Any

import pytest

from apps.chat.dialects.openai_chat.answer import PlainReader, StreamReader
from apps.providers.adapters.protocol import UpstreamBroken

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
NO_OUTPUT = {"prompt_tokens": 3, "completion_tokens": 0, "total_tokens": 3}
CALL = {"index": 0, "id": "c", "function": {"name": "add", "arguments": "{}"}}
ROLE = {"role": "assistant", "content": "", "refusal": None, "tool_calls": [], "reasoning_content": ""}


def delta(given: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": given, "finish_reason": finish}]}


def streamed(*events: Any) -> StreamReader:
    reader = StreamReader(wants_usage=False)
    for one in events:
        reader.feed(one if isinstance(one, bytes) else f"data: {json.dumps(one)}\n\n".encode())
    return reader


def plain(message: dict[str, Any] | None, *, finish: str = "stop", **more: Any) -> PlainReader:
    choices = [] if message is None else [{"index": 0, "message": message, "finish_reason": finish}]
    reader = PlainReader()
    reader.feed(json.dumps({"choices": choices, **more}).encode())
    return reader


SAID: list[dict[str, Any]] = [
    {"content": "a"},
    {"content": " "},
    {"content": [{"type": "text", "text": "a"}]},
    {"refusal": "No."},
    {"reasoning_content": "Hm."},
    {"reasoning": "Hm."},
    {"tool_calls": [CALL]},
    {"tool_calls": [{"index": 0, "id": "c", "type": "function"}]},
    {"function_call": {"name": "add", "arguments": ""}},
    {"audio": {"id": "a"}},
    {"images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]},
]
UNSAID: list[dict[str, Any]] = [{}, ROLE, {"role": "assistant"}, {"content": None}, {"content": []}]


@pytest.mark.parametrize("given", SAID, ids=str)
def test_an_answer_begins_with_whatever_it_says(given: dict[str, Any]) -> None:
    whole = plain({"role": "assistant", **given})
    whole.end()

    assert streamed(delta(ROLE), delta(given)).has_content
    assert whole.has_content


@pytest.mark.parametrize("given", UNSAID, ids=str)
@pytest.mark.parametrize("finish", [None, "stop", "length"])
def test_it_does_not_begin_with_an_event_that_says_nothing(given: dict[str, Any], finish: str | None) -> None:
    reader = streamed(delta(given, finish))

    assert (reader.has_events, reader.has_content) == (True, False)


@pytest.mark.parametrize("given", [{"choices": [], "prompt_filter_results": [{}]}, {"choices": [], "usage": USAGE}])
def test_it_does_not_begin_with_what_is_beside_it(given: dict[str, Any]) -> None:
    assert not streamed(given).has_content


@pytest.mark.parametrize("given", [b": PROCESSING\n\n", b"event: ping\n\n", b"\n\n", b"data: [DONE]\n\n"])
def test_a_comment_is_no_event(given: bytes) -> None:
    reader = streamed(given)

    assert (reader.has_events, reader.has_content) == (False, False)


def test_an_error_is_no_event_and_comes_with_the_break() -> None:
    reader, error = streamed(), {"error": {"message": "overloaded", "code": 503}}

    with pytest.raises(UpstreamBroken) as caught:
        reader.feed(f"data: {json.dumps(error)}\n\n".encode())

    assert caught.value.error == error
    assert (reader.has_events, reader.has_content) == (False, False)


def test_a_plain_answer_has_not_begun_before_its_end() -> None:
    reader = plain({"role": "assistant", "content": "a"})

    assert not reader.has_content


# Answers that say nothing


@pytest.mark.parametrize("given", UNSAID, ids=str)
@pytest.mark.parametrize("usage", [None, NO_OUTPUT])
def test_an_answer_that_says_nothing_is_a_failed_one(given: dict[str, Any], usage: dict[str, Any] | None) -> None:
    with pytest.raises(UpstreamBroken):
        plain({"role": "assistant", **given}, usage=usage).end()
    with pytest.raises(UpstreamBroken):
        streamed(delta(given), delta({}, "stop"), {"choices": [], "usage": usage}, b"data: [DONE]\n\n").end()


@pytest.mark.parametrize("usage", [None, USAGE])
def test_so_is_one_without_choices_whatever_it_cost(usage: dict[str, Any] | None) -> None:
    with pytest.raises(UpstreamBroken):
        plain(None, usage=usage).end()
    with pytest.raises(UpstreamBroken):
        streamed({"choices": [], "usage": usage}, b"data: [DONE]\n\n").end()


@pytest.mark.parametrize("finish", ["stop", "length"])
def test_a_model_that_spent_its_tokens_on_hidden_thoughts_has_answered(finish: str) -> None:
    whole = plain({"role": "assistant", "content": ""}, finish=finish, usage=USAGE)
    in_events = streamed(delta(ROLE), delta({}, finish), {"choices": [], "usage": USAGE})
    whole.end()
    in_events.end()

    assert whole.has_content
    assert in_events.has_content


def test_an_answer_that_the_provider_filtered_is_one() -> None:
    whole = plain({"role": "assistant", "content": None}, finish="content_filter")
    in_events = streamed(delta({}, "content_filter"))
    whole.end()
    in_events.end()

    assert whole.has_content
    assert in_events.has_content


def test_an_error_in_a_plain_answer_comes_with_the_break() -> None:
    with pytest.raises(UpstreamBroken) as caught:
        plain(None, error={"code": 503}).end()

    assert caught.value.error == {"choices": [], "error": {"code": 503}}
