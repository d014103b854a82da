"""From the bytes of a request to a call: what passes, and what is found in it."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from apps.chat.dialects.openai_chat.request import MAX_PARTS
from apps.chat.dialects.openai_chat.schema import CHAT_BODY
from apps.common.errors import InvalidRequest, NotFound
from tests.chat.unit.bodies import GOOD, USER, parsed, with_message
from tests.chat.unit.values import a_catalogue, a_route

# What passes


def test_other_models_are_not_reached_by_way_of_the_provider() -> None:
    """OpenRouter answers with any of `models`, at its own price and whatever the course allows."""
    with pytest.raises(InvalidRequest) as caught:
        parsed({**GOOD, "models": ["model", "dear/model"]})

    assert (caught.value.code, caught.value.param) == ("unsupported_parameter", "models")


def test_unknown_fields_pass_as_they_are() -> None:
    sent = {
        **GOOD,
        "novelty": {"deep": [None, 1.5]},
        "messages": [{**USER, "name": "ada", "extra": 1}],
        "stream_options": {"other": 1},
    }

    assert parsed(sent).body == sent


NULLS = ["stream", "stream_options", "max_tokens", "max_completion_tokens", "n"]


@pytest.mark.parametrize("field", NULLS)
def test_null_is_as_good_as_absent(field: str) -> None:
    call = parsed({**GOOD, field: None})

    assert (call.is_stream, call.wants_usage, call.max_output, call.choices) == (False, False, None, 1)


def test_the_size_is_that_of_the_bytes() -> None:
    raw = json.dumps(GOOD, indent=8).encode()

    assert parsed(raw).size == len(raw)


@pytest.mark.parametrize(
    ("caps", "max_output"),
    [
        ({}, None),
        ({"max_tokens": 10}, 10),
        ({"max_completion_tokens": 20}, 20),
        ({"max_tokens": 10, "max_completion_tokens": 20}, 20),
        ({"max_tokens": 30, "max_completion_tokens": 20}, 30),
        ({"max_tokens": None, "max_completion_tokens": 20}, 20),
    ],
)
def test_the_larger_cap_counts(caps: dict[str, Any], max_output: int | None) -> None:
    assert parsed({**GOOD, **caps}).max_output == max_output


@pytest.mark.parametrize(
    ("options", "is_stream", "wants_usage"),
    [
        ({}, False, False),
        ({"stream": False}, False, False),
        ({"stream": True}, True, False),
        ({"stream": True, "stream_options": {}}, True, False),
        ({"stream": True, "stream_options": {"include_usage": False}}, True, False),
        ({"stream": True, "stream_options": {"include_usage": True}}, True, True),
        ({"stream_options": {"include_usage": True}}, False, False),
    ],
)
def test_usage_is_wanted_only_in_a_stream_that_asks_for_it(
    options: dict[str, Any], is_stream: bool, wants_usage: bool
) -> None:
    call = parsed({**GOOD, **options})

    assert (call.is_stream, call.wants_usage) == (is_stream, wants_usage)


# Texts

CALL = {"id": "1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:..."}}

TEXTS: list[tuple[dict[str, Any], str]] = [
    ({"content": "Hello"}, "Hello"),
    ({"content": "Hello", "name": "ada"}, "Hello"),
    ({"content": ""}, ""),
    ({"content": None}, ""),
    ({}, ""),
    ({"content": []}, ""),
    ({"content": [{"type": "text", "text": "One"}, {"type": "text", "text": "two"}]}, "One\ntwo"),
    ({"content": [{"type": "text", "text": "See"}, IMAGE]}, "See\n[image_url]"),
    ({"content": [{"type": "novelty", "text": "said otherwise"}]}, "said otherwise"),
    ({"content": [{"type": "text", "text": None}]}, "[text]"),
    ({"content": [{"type": "refusal", "refusal": "No."}]}, "No."),
    ({"content": [{"type": "refusal", "refusal": {"odd": 1}}]}, "[refusal]"),
    ({"content": None, "refusal": "No."}, "No."),
    ({"content": "Yes", "refusal": "No."}, "Yes\nNo."),
    ({"content": "Yes", "reasoning_content": "Hm."}, "Yes\nHm."),
    ({"content": None, "tool_calls": [CALL]}, '[add] {"a": 1}'),
    ({"content": "So", "tool_calls": [CALL, CALL]}, 'So\n[add] {"a": 1}\n[add] {"a": 1}'),
    ({"tool_calls": [{"type": "custom"}]}, "[tool] "),
    ({"tool_calls": [{"function": {"name": None, "arguments": None}}]}, "[tool] "),
    ({"tool_calls": [{"type": "custom", "custom": {"name": "run", "input": "my words"}}]}, "[run] my words"),
    ({"tool_calls": [{**CALL, "custom": {"input": "my words"}}]}, '[add] {"a": 1}\nmy words'),
    ({"content": None, "function_call": {"name": "add", "arguments": "my words"}}, "[add] my words"),
    ({"tool_calls": None, "function_call": None, "refusal": None, "reasoning_content": None}, ""),
]


@pytest.mark.parametrize(("message", "text"), TEXTS, ids=[str(n) for n in range(len(TEXTS))])
def test_all_text_of_a_message_is_found(message: dict[str, Any], text: str) -> None:
    call = parsed(with_message({"role": "assistant", **message}))

    assert call.messages[0].text == text


def test_messages_keep_their_place_and_role() -> None:
    roles = ["system", "developer", "user", "assistant", "tool", "function"]

    call = parsed({**GOOD, "messages": [{"role": role, "content": role} for role in roles]})

    assert [(m.position, m.role, m.text) for m in call.messages] == [(n, role, role) for n, role in enumerate(roles)]


# Models

CATALOGUE = a_catalogue(a_route(name="mini"), a_route(name="large"), a_route(name="dear"), allowed=("mini", "large"))


def test_an_allowed_model_gives_its_route() -> None:
    assert parsed({**GOOD, "model": "large"}, catalogue=CATALOGUE).route.name == "large"


def test_an_unknown_model_is_not_found_and_those_that_are_get_named() -> None:
    with pytest.raises(NotFound, match="It allows: large, mini") as caught:
        parsed({**GOOD, "model": "other"}, catalogue=CATALOGUE)

    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


def test_a_model_of_other_courses_is_refused_like_one_that_nobody_has() -> None:
    said = []
    for name in ("dear", "none"):
        with pytest.raises(NotFound) as caught:
            parsed({**GOOD, "model": name}, catalogue=CATALOGUE)
        said.append(caught.value.body(request_id="r")["error"] | {"message": caught.value.message.replace(name, "x")})

    assert said[0] == said[1]


def test_a_course_without_models_says_so() -> None:
    with pytest.raises(NotFound, match="none yet"):
        parsed(GOOD, catalogue=a_catalogue(allowed=()))


def test_a_model_that_is_allowed_but_gone_is_not_found() -> None:
    with pytest.raises(NotFound):
        parsed({**GOOD, "model": "gone"}, catalogue=a_catalogue(allowed=("gone",)))


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": [1] * 1_000},
        {"role": "user", "content": [{}] * 1_000},
        {"role": "assistant", "tool_calls": [1] * 1_000},
    ],
)
def test_of_many_mistakes_no_more_are_collected_than_need_be(message: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        CHAT_BODY.validate_python({"model": "model", "messages": [message] * 3})

    assert caught.value.error_count() < 5


CALL = {"type": "function", "id": "1", "function": {"name": "f", "arguments": ""}}


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "user", "content": [{"type": "text", "text": ""}] * (MAX_PARTS // 2)}] * 2,
        [{"role": "assistant", "content": None, "tool_calls": [CALL] * (MAX_PARTS // 2)}] * 2,
    ],
    ids=["parts", "tool calls"],
)
def test_there_are_no_more_parts_than_a_bound(messages: list[dict[str, Any]]) -> None:
    assert parsed({**GOOD, "messages": messages}).messages

    with pytest.raises(InvalidRequest) as caught:
        parsed({**GOOD, "messages": [*messages, {"role": "user", "content": [{"type": "text", "text": ""}]}]})

    assert (caught.value.code, caught.value.param) == ("too_many_parts", "messages")
