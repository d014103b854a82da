"""From the bytes of a request to a call: what is refused."""

import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.common.errors import GatewayError, InvalidRequest
from apps.common.json_bounds import MAX_DEPTH
from tests.chat.unit.bodies import GOOD, USER, parsed, with_message
from tests.chat.unit.values import a_catalogue, a_route


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
