"""Events in a form that clients do not expect: they get one that they can use."""

import json
from typing import Any

import pytest

from apps.chat.dialects.openai_chat.answer import StreamReader
from apps.providers.adapters.protocol import UpstreamBroken

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
EMPTY = {"index": 0, "delta": {}, "finish_reason": None}


def relayed(*events: Any, wants_usage: bool = False) -> list[Any]:
    reader = StreamReader(wants_usage=wants_usage)
    stream = b"".join(reader.feed(f"data: {json.dumps(one)}\n\n".encode()) for one in events)
    return [json.loads(part.removeprefix("data: ")) for part in stream.decode().split("\n\n") if part]


def delta(given: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": 0, "delta": given, "finish_reason": None}], **more}


# Events without choices, which only those expect who asked for usage

BESIDE: dict[str, dict[str, Any]] = {
    "Azure's filter": {
        "id": "",
        "choices": [],
        "prompt_filter_results": [{"content_filter_results": {"hate": "safe"}}],
    },
    "usage": {"id": "c", "created": 1, "choices": [], "usage": USAGE, "obfuscation": "xyz"},
    "no usage": {"id": "c", "choices": [], "usage": None},
    "null": {"id": "c", "choices": None, "usage": USAGE},
    "no field": {"id": "c", "usage": USAGE},
    "a ping": {"type": "ping"},
    "figures": {"choices": [], "timings": {"predicted_ms": 1.5}},
}


@pytest.mark.parametrize("event", BESIDE.values(), ids=BESIDE.keys())
def test_an_event_without_choices_is_kept_from_clients_that_expect_none(event: dict[str, Any]) -> None:
    assert relayed(event) == []


@pytest.mark.parametrize("event", BESIDE.values(), ids=BESIDE.keys())
def test_those_that_asked_for_usage_get_it_with_an_empty_list(event: dict[str, Any]) -> None:
    assert relayed(event, wants_usage=True) == [{**event, "choices": []}]


@pytest.mark.parametrize("choices", [[], None])
def test_if_it_has_words_it_comes_with_an_empty_choice(choices: Any) -> None:
    event = {"id": "c", "choices": choices, "citations": ["https://example.org"], "usage": USAGE}

    assert relayed(event) == [{"id": "c", "choices": [EMPTY], "citations": ["https://example.org"]}]


# Choices without a delta


@pytest.mark.parametrize("given", [{}, {"delta": None}])
def test_a_choice_without_a_delta_gets_an_empty_one(given: dict[str, Any]) -> None:
    """Azure's filter sends such events behind the text."""
    choice = {"index": 0, "finish_reason": None, "content_filter_offsets": {"check_offset": 3}, **given}

    assert relayed({"choices": [choice]}) == [{"choices": [{**choice, "delta": {}}]}]


def test_words_in_a_message_become_a_delta() -> None:
    reader = StreamReader(wants_usage=False)
    message = {"role": "assistant", "content": "Hello", "tool_calls": [{"id": "a", "function": {"name": "f"}}]}

    block = reader.feed(b"data: " + json.dumps({"choices": [{"index": 0, "message": message}]}).encode() + b"\n\n")

    calls = [{**message["tool_calls"][0], "index": 0}]
    assert json.loads(block[6:])["choices"] == [{"index": 0, "delta": {**message, "tool_calls": calls}}]
    assert reader.recorded.text() == "Hello[f] "


# Usage that nobody asked for


@pytest.mark.parametrize("event", [delta({"content": "a"}), delta({}, usage=None), delta({"role": "assistant"})])
def test_usage_in_every_event_reaches_only_those_that_asked(event: dict[str, Any]) -> None:
    counted = {**event, "usage": USAGE}

    assert relayed(counted, counted) == [{key: value for key, value in event.items() if key != "usage"}] * 2
    assert relayed(counted, counted, wants_usage=True) == [counted] * 2


def test_the_empty_usage_of_every_event_passes_since_openai_sends_it_too() -> None:
    assert relayed(delta({"content": "a"}, usage=None)) == [delta({"content": "a"}, usage=None)]


# Tool calls without an index

CALLS: dict[str, tuple[list[dict[str, Any]], list[int]]] = {
    "two whole ones, with ids": (
        [{"id": "a", "function": {"name": "f"}}, {"id": "b", "function": {"name": "f"}}],
        [0, 1],
    ),
    "two whole ones, with names": ([{"function": {"name": "f"}}, {"function": {"name": "f"}}], [0, 1]),
    "pieces": ([{"id": "a", "function": {"name": "f"}}, {"function": {"arguments": "{"}}, {"function": {}}], [0, 0, 0]),
    "pieces that repeat the id": (
        [{"id": "a", "function": {"name": "f"}}, {"id": "a", "function": {"name": "f"}}],
        [0, 0],
    ),
    "pieces of two": (
        [{"id": "a", "function": {"name": "f"}}, {"function": {}}, {"id": "b", "function": {}}, {"function": {}}],
        [0, 0, 1, 1],
    ),
    "null": ([{"index": None, "id": "a"}, {"index": None, "id": "b"}], [0, 1]),
    "numbers, then none": ([{"index": 2, "id": "a"}, {"function": {"arguments": "{"}}], [2, 2]),
    "numbers": ([{"index": 0, "id": "a"}, {"index": 1, "id": "b"}, {"index": 0}], [0, 1, 0]),
    "custom": ([{"custom": {"name": "f"}}, {"custom": {"input": "x"}}], [0, 0]),
}


@pytest.mark.parametrize(("calls", "numbers"), CALLS.values(), ids=CALLS.keys())
def test_tool_calls_without_an_index_are_numbered(calls: list[dict[str, Any]], numbers: list[int]) -> None:
    one_by_one = relayed(*(delta({"tool_calls": [call]}) for call in calls))
    at_once = relayed(delta({"tool_calls": calls}))

    expected = [{**call, "index": number} for call, number in zip(calls, numbers, strict=True)]
    assert [event["choices"][0]["delta"]["tool_calls"][0] for event in one_by_one] == expected
    assert at_once[0]["choices"][0]["delta"]["tool_calls"] == expected


def test_each_choice_has_numbers_of_its_own() -> None:
    call = {"id": "a", "function": {"name": "f"}}
    event = {"choices": [{"index": index, "delta": {"tool_calls": [call]}} for index in (0, 1)]}

    (made,) = relayed(event)

    assert [choice["delta"]["tool_calls"][0]["index"] for choice in made["choices"]] == [0, 0]


def test_words_in_no_place_that_is_known_break_the_stream() -> None:
    with pytest.raises(UpstreamBroken):
        relayed({"choices": ["Hello"]})
