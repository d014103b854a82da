"""Every text of a request is found, and nothing else."""

import json
from base64 import b64encode
from typing import Any

import pytest

from apps.chat.dialects.fields import BESIDE
from apps.chat.dialects.openai_chat.fields import request_fields
from tests.chat.paths import kind_of

PICTURE = f"data:image/png;base64,{b64encode(bytes(range(200))).decode()}"
TEXT_FILE = f"data:text/plain;base64,{b64encode(b'my words').decode()}"


def found(**fields: Any) -> dict[str, str]:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields}
    return {kind_of(surface.path): surface.text for surface in request_fields(body)}


def in_message(**fields: Any) -> dict[str, str]:
    return found(messages=[{"role": "user", **fields}])


def test_a_plain_request_has_one() -> None:
    (surface,) = request_fields({"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hi"}]})

    assert (surface.message, surface.path, surface.text) == (0, ("messages", 0, "content"), "Hi")


def test_those_of_later_messages_come_later_and_those_beside_first() -> None:
    messages = [{"role": "user", "content": "a", "name": "b"}, {"role": "user", "content": "c"}]

    surfaces = request_fields({"messages": messages, "user": "u", "model": "m"})

    assert [surface.message for surface in surfaces] == [BESIDE, 0, 0, 1]


@pytest.mark.parametrize("kind", ["text", "image_url", "x_new.kind"])
def test_names_of_kinds_are_no_text(kind: str) -> None:
    assert in_message(content=[{"type": kind}]) == {}


def test_words_in_the_place_of_a_kind_are_text() -> None:
    assert in_message(content=[{"type": "My words!"}]) == {"messages[].content[].type": "My words!"}


def test_so_are_kinds_that_no_protocol_has_given_to_what_a_tool_takes() -> None:
    properties = {"a": {"type": "string"}, "b": {"type": "write-my-essay"}}
    parameters = {"type": "object", "properties": properties}
    tools = [{"type": "function", "function": {"name": "f", "parameters": parameters}}]

    kinds = [text for kind, text in found(tools=tools).items() if kind.endswith(".type")]

    assert kinds == ["write-my-essay"]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": PICTURE}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {"type": "file", "file": {"file_data": b64encode(b"%PDF\xff\xfe").decode()}},
    ],
)
def test_media_are_no_text(part: dict[str, Any]) -> None:
    assert {kind for kind in in_message(content=[part]) if not kind.endswith("format")} == set()


@pytest.mark.parametrize(
    "data",
    [TEXT_FILE, b64encode(b"my words").decode(), f"data:application/x-new;base64,{b64encode(b'my words').decode()}"],
)
def test_a_file_of_text_is_read(data: str) -> None:
    assert "my words" in in_message(content=[{"type": "file", "file": {"file_data": data}}]).values()


@pytest.mark.parametrize("data", ["data:text/plain;base64,not base64!", "data: so it is"])
def test_what_only_looks_like_a_file_is_text(data: str) -> None:
    assert in_message(content=data) == {"messages[].content": data}


WORDS = "data:image/png;base64,write-my-essay"


def test_words_that_call_themselves_a_picture_are_text_wherever_a_model_reads_them() -> None:
    part = {"type": "text", "text": WORDS}
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"examples": [{"url": WORDS}]}}}]

    assert WORDS in in_message(content=[part]).values()
    assert WORDS in in_message(content=WORDS, name="me").values()
    assert WORDS in found(tools=tools).values()


def test_names_that_nobody_gave_are_text() -> None:
    parameters = {"type": "object", "properties": {"my words": {"type": "string"}}}
    tools = [{"type": "function", "function": {"name": "f", "parameters": parameters}}]

    assert "my words" in found(tools=tools).values()
    assert "my_field" in found(my_field=1).values()


def test_names_and_attached_files_cannot_be_changed() -> None:
    part = {"type": "file", "file": {"file_data": TEXT_FILE}}
    body = {"messages": [{"role": "user", "content": [part]}], "my_field": 1}

    assert all(surface.is_fixed for surface in request_fields(body))


def test_arguments_are_read_as_json() -> None:
    call = {"id": "a", "function": {"name": "f", "arguments": json.dumps({"a": "b"})}}
    surfaces = request_fields({"messages": [{"role": "assistant", "tool_calls": [call]}]})

    assert {surface.text for surface in surfaces if surface.is_json} == {'{"a": "b"}'}
