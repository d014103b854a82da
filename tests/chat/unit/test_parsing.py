"""From the bytes of a request to a call."""

import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from apps.chat.call import ChatCall, parse
from apps.chat.dialects.openai_chat import OPENAI_CHAT
from apps.chat.dialects.openai_chat.request import MAX_DEPTH, MAX_PARTS
from apps.chat.dialects.openai_chat.schema import CHAT_BODY
from apps.common.errors import GatewayError, InvalidRequest, NotAllowed, NotFound
from apps.providers.catalogue import Catalogue
from tests.chat.unit.values import a_catalogue, a_principal, a_route

GOOD: dict[str, Any] = {"model": "model", "messages": [{"role": "user", "content": "Hello"}]}
USER = {"role": "user", "content": "Hello"}


def parsed(body: Any, *, catalogue: Catalogue | None = None) -> ChatCall:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return parse(raw, OPENAI_CHAT, id="call", principal=a_principal(), catalogue=catalogue or a_catalogue())


def with_message(message: Any) -> dict[str, Any]:
    return {**GOOD, "messages": [message]}


def nested(depth: int) -> Any:
    """Containers one in another, so many deep."""
    value: Any = []
    for _ in range(depth - 1):
        value = [value]
    return value


# What is refused

NO_OBJECTS = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"text"',
    b"12",
    b'{"model": NaN}',
    b"{}x",
    b"\xef\xbb\xbf",
    b"\xef\xbb\xbf[]",
]


@pytest.mark.parametrize("raw", NO_OBJECTS, ids=repr)
def test_what_is_no_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parsed(raw)

    assert caught.value.code == "invalid_json"


HELLO = {**GOOD, "messages": [{"role": "user", "content": "Größe"}]}
TEXT = json.dumps(HELLO, ensure_ascii=False)
OTHER_CODES: dict[str, tuple[bytes, str]] = {
    "Latin-1": (TEXT.encode("latin-1"), "looks like Latin-1 or Windows-1252"),
    "UTF-16": (TEXT.encode("utf-16"), "but UTF-16"),
    "UTF-16 without a mark": (TEXT.encode("utf-16-le"), "but UTF-16"),
    "UTF-16 of big ends": (TEXT.encode("utf-16-be"), "but UTF-16"),
    "UTF-32": (TEXT.encode("utf-32"), "UTF-32"),
    "gzip without saying so": (gzip.compress(TEXT.encode()), "but gzip"),
    "a byte of no code": (b'{"a": "\x81\xff"}', "is not UTF-8."),
    "one byte": (b'{"a": "\xff"}', "looks like"),
}


@pytest.mark.parametrize(("raw", "hint"), OTHER_CODES.values(), ids=OTHER_CODES.keys())
def test_what_is_not_utf_8_is_told_so(raw: bytes, hint: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parsed(raw)

    assert caught.value.code == "invalid_encoding"
    assert "not UTF-8" in caught.value.message
    assert hint in caught.value.message


def test_a_byte_order_mark_before_it_is_left_out() -> None:
    assert parsed(TEXT.encode("utf-8-sig")).body == HELLO


def test_the_place_of_a_syntax_error_is_named() -> None:
    with pytest.raises(InvalidRequest, match="line 2, column"):
        parsed(b'{"model": "model",\n "messages": oops}')


MISSING = [
    ({}, "model"),
    ({"messages": [USER]}, "model"),
    ({"model": "model"}, "messages"),
    (with_message({"content": "Hello"}), "messages[0].role"),
    ({**GOOD, "messages": [USER, USER, {}]}, "messages[2].role"),
    (with_message({"role": "user", "content": [{"text": "Hello"}]}), "messages[0].content[0].type"),
]


@pytest.mark.parametrize(("body", "param"), MISSING, ids=[f"{param}-{n}" for n, (_, param) in enumerate(MISSING)])
def test_what_is_missing_is_named(body: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parsed(body)

    assert (caught.value.code, caught.value.param) == ("missing_required_parameter", param)


WRONG: list[tuple[str, Any, str]] = [
    *(("model", value, "model") for value in (None, "", 3, ["model"], "m" * 201)),
    *(("messages", value, "messages") for value in (None, [], "Hello", {}, 3)),
    *(("messages", [value], "messages[0]") for value in (None, "Hello", 3, [])),
    *(("messages", [{"role": value, "content": "x"}], "messages[0].role") for value in (None, "", "robot", 3)),
    *(("messages", [{"role": "user", "content": value}], "messages[0].content") for value in (3, True, {"text": "x"})),
    ("messages", [{"role": "user", "content": ["x"]}], "messages[0].content[0]"),
    ("messages", [{"role": "user", "content": [{"type": 1}]}], "messages[0].content[0].type"),
    ("messages", [{"role": "user", "content": [{"type": "text", "text": 1}]}], "messages[0].content[0].text"),
    ("messages", [USER, {"role": "assistant", "refusal": 1}], "messages[1].refusal"),
    ("messages", [{"role": "assistant", "reasoning_content": []}], "messages[0].reasoning_content"),
    ("messages", [{"role": "assistant", "tool_calls": {}}], "messages[0].tool_calls"),
    ("messages", [{"role": "assistant", "tool_calls": ["x"]}], "messages[0].tool_calls[0]"),
    ("messages", [{"role": "assistant", "tool_calls": [{"function": 1}]}], "messages[0].tool_calls[0].function"),
    (
        "messages",
        [{"role": "assistant", "tool_calls": [{"function": {"arguments": {}}}]}],
        "messages[0].tool_calls[0].function.arguments",
    ),
    ("messages", [{"role": "assistant", "function_call": {"arguments": 1}}], "messages[0].function_call.arguments"),
    *(("stream", value, "stream") for value in ("true", 1, [])),
    *(("stream_options", value, "stream_options") for value in (True, "x", [])),
    ("stream_options", {"include_usage": "yes"}, "stream_options.include_usage"),
    *(("max_tokens", value, "max_tokens") for value in (0, -1, 1.5, 5.0, "5", True, 2**31, 2**80)),
    *(("max_completion_tokens", value, "max_completion_tokens") for value in (0, -1, 1.5, "5", True)),
    *(("n", value, "n") for value in (0, -1, 129, 1.0, "2", True)),
]


@pytest.mark.parametrize(("field", "value", "param"), WRONG, ids=[f"{f}={v!r:.50}" for f, v, _ in WRONG])
def test_what_is_wrong_is_named_by_its_path(field: str, value: Any, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parsed({**GOOD, field: value})

    assert (caught.value.code, caught.value.param) == ("invalid_value", param)
    assert f"'{param}'" in caught.value.message


def test_a_refusal_does_not_repeat_what_was_sent() -> None:
    with pytest.raises(InvalidRequest) as caught:
        parsed({**GOOD, "messages": "my private words"})

    assert "private" not in caught.value.message


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ["model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "n"]


@given(
    body=st.dictionaries(st.sampled_from(FIELDS), ANYTHING),
    message=st.dictionaries(st.sampled_from(["content", "tool_calls", "refusal", "reasoning_content"]), ANYTHING),
)
def test_whatever_is_sent_is_a_call_or_a_refusal(body: dict[str, Any], message: dict[str, Any]) -> None:
    for sent in (body, {**GOOD, **body}, with_message({"role": "assistant", **message})):
        try:
            call = parsed(sent)
        except GatewayError as error:
            assert error.status in (400, 404)
        else:
            assert all(isinstance(text.text, str) for text in call.messages)


# Depth


def test_the_deepest_body_that_is_allowed_passes() -> None:
    assert parsed({**GOOD, "metadata": nested(MAX_DEPTH - 1)}).body["metadata"]


@pytest.mark.parametrize("depth", [MAX_DEPTH, 500])
def test_a_deeper_body_is_refused(depth: int) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parsed({**GOOD, "metadata": nested(depth)})

    assert caught.value.code == "too_deep"


def test_a_body_deeper_than_any_parser_goes_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        parsed(b'{"metadata": ' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}")


def test_brackets_within_texts_are_no_depth() -> None:
    assert parsed(with_message({"role": "user", "content": "[{" * 1000})).messages[0].text == "[{" * 1000


def test_a_wide_body_is_not_deep() -> None:
    assert parsed({**GOOD, "tools": [{"a": []}] * 1000}).body["tools"]


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
    with pytest.raises(NotFound, match="Your course allows: large, mini") as caught:
        parsed({**GOOD, "model": "other"}, catalogue=CATALOGUE)

    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


def test_a_model_that_the_course_does_not_allow_is_refused() -> None:
    with pytest.raises(NotAllowed, match="It allows: large, mini") as caught:
        parsed({**GOOD, "model": "dear"}, catalogue=CATALOGUE)

    assert (caught.value.code, caught.value.param) == ("model_not_allowed", "model")


def test_a_course_without_models_says_so() -> None:
    with pytest.raises(NotAllowed, match="none yet"):
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


# What a model must not get


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"service_tier": "priority"}, "service_tier"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"store": True}, "store"),
        ({"store": False}, ""),
        ({"store": None}, ""),
        ({"temperature": 0, "metadata": {"store": True}}, ""),
    ],
)
def test_a_parameter_that_the_model_must_not_get_is_named(fields: dict[str, Any], refused: str) -> None:
    route = a_route(refused_parameters=frozenset({"service_tier", "web_search_options", "store"}))

    try:
        parsed({**GOOD, **fields}, catalogue=a_catalogue(route))
        found = ""
    except InvalidRequest as error:
        assert error.code == "unsupported_parameter"
        found = error.param or ""

    assert found == refused
