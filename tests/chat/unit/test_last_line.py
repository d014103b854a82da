"""The line below an answer is added to plain text that has come to its end, and to nothing else."""

import json
from typing import Any

import pytest

from apps.chat.dialects.openai_chat import OPENAI_CHAT

LINE = "\n\nNote from your course: Ask for a hint."


def chunk(finish: str | None = None, index: int = 0, **delta: Any) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "c", "model": "m", "choices": [choice]}).encode() + b"\n\n"


def streamed(*blocks: bytes) -> str:
    """The text that a client puts together. What was not changed is as it came."""
    line = OPENAI_CHAT.last_line({}, LINE)
    assert line is not None
    sent = b"".join(map(line.into, blocks))
    assert line.is_added == (sent != b"".join(blocks))
    events = [json.loads(event.removeprefix(b"data: ")) for event in sent.split(b"\n\n") if event.startswith(b"data:")]
    return "".join(choice["delta"].get("content") or "" for one in events for choice in one["choices"])


def plain(finish: str = "stop", **message: Any) -> str:
    line = OPENAI_CHAT.last_line({}, LINE)
    assert line is not None
    body = json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": finish}]}).encode()
    made = line.into_body(body)
    assert line.is_added == (made != body)
    return str(json.loads(made)["choices"][0]["message"]["content"])


@pytest.mark.parametrize(
    "blocks",
    [
        (chunk(content="A loop"), chunk("stop")),
        (chunk(content="A "), chunk("stop", content="loop")),
        (chunk(content="A loop") + b": comment\n\n" + chunk("stop"), b'data: {"choices": [], "usage": {}}\n\n'),
        (chunk(reasoning_content="Hm."), chunk(content="A loop"), chunk("stop", content="")),
    ],
    ids=["end alone", "end with text", "one block, then usage", "after thoughts"],
)
def test_the_line_stands_below_the_text_of_a_stream(blocks: tuple[bytes, ...]) -> None:
    assert streamed(*blocks) == f"A loop{LINE}"


@pytest.mark.parametrize(
    "blocks",
    [
        (chunk(content="A loop"), chunk("length")),
        (chunk(content="A loop"), chunk(tool_calls=[{"index": 0}]), chunk("stop")),
        (chunk(content="A loop"), chunk(refusal="No."), chunk("stop")),
        (chunk(content="A loop"), chunk("stop", index=1)),
        (chunk(content="A loop"),),
        (chunk(content="A loop"), chunk("content_filter")),
    ],
    ids=["cut", "tool call", "refusal", "another choice", "no end", "filtered"],
)
def test_a_stream_that_is_more_or_less_than_text_stays_as_it_is(blocks: tuple[bytes, ...]) -> None:
    assert streamed(*blocks) == "A loop"


def test_nothing_stays_nothing() -> None:
    assert streamed(chunk("stop")) == ""


def test_an_event_of_another_shape_is_passed_on() -> None:
    line = OPENAI_CHAT.last_line({}, LINE)
    odd = b'data: {"choices": [7]}\n\n'

    assert line is not None and line.into(odd) == odd
    assert line.into(chunk("stop", content="A")) == chunk("stop", content="A")


def test_the_line_stands_below_a_plain_answer() -> None:
    assert plain(content="A loop") == f"A loop{LINE}"


@pytest.mark.parametrize(
    ("finish", "message"),
    [
        ("length", {}),
        ("tool_calls", {"tool_calls": [{"id": "1"}]}),
        ("stop", {"tool_calls": [{"id": "1"}]}),
        ("stop", {"audio": {"id": "1"}}),
    ],
)
def test_a_plain_answer_that_is_more_or_less_than_text_stays_as_it_is(finish: str, message: dict[str, Any]) -> None:
    assert plain(finish, content="A loop", **message) == "A loop"


@pytest.mark.parametrize(
    ("body", "may"),
    [
        ({}, True),
        ({"response_format": {"type": "text"}}, True),
        ({"response_format": None, "n": 1}, True),
        ({"response_format": {"type": "json_object"}}, False),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, False),
        ({"response_format": "odd"}, False),
        ({"n": 2}, False),
    ],
)
def test_an_answer_that_has_a_form_to_keep_gets_no_line(body: dict[str, Any], may: bool) -> None:
    assert (OPENAI_CHAT.last_line(body, LINE) is not None) == may
