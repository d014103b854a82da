"""What the meters read in an answer, and which nonsense they do not believe."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.chat.dialects.openai_chat.answer import PlainReader, StreamReader
from apps.chat.dialects.openai_chat.text import matched_as
from apps.providers.adapters.protocol import UpstreamBroken
from apps.quotas.weights import Tokens
from tests.chat.unit.meters import USAGE, chunk, delta, event, fed, plain, read

# Usage


@pytest.mark.parametrize(("wants_usage", "events"), [(True, 2), (False, 1)])
def test_the_usage_event_is_for_those_who_asked(wants_usage: bool, events: int) -> None:
    meter = StreamReader(wants_usage=wants_usage)

    relayed = meter.feed(event(chunk("a", usage=None)) + event({"choices": [], "usage": USAGE}))

    assert len(read(relayed)) == events
    assert meter.usage == Tokens(input=3, output=2)


def test_a_usage_event_without_choices_is_hidden_too() -> None:
    assert StreamReader(wants_usage=False).feed(event({"usage": USAGE})) == b""


BAD_COUNTS = [-1, True, 2.5, "2", None, [], 2**41, 10**30, 1e300]


@pytest.mark.parametrize("count", BAD_COUNTS, ids=repr)
def test_a_prompt_that_is_no_count_is_not_believed(count: Any) -> None:
    assert fed({"choices": [], "usage": {**USAGE, "prompt_tokens": count}}).usage is None


@pytest.mark.parametrize("count", [count for count in BAD_COUNTS if count is not None], ids=repr)
def test_an_answer_that_is_no_count_is_not_believed(count: Any) -> None:
    assert fed({"choices": [], "usage": {**USAGE, "completion_tokens": count}}).usage is None


@pytest.mark.parametrize("cached", [4, -1, True, 1.5, "1", [1]], ids=repr)
def test_a_cache_that_is_no_part_of_the_prompt_is_not_believed(cached: Any) -> None:
    odd = {**USAGE, "prompt_tokens_details": {"cached_tokens": cached}}

    assert fed({"choices": [], "usage": odd}).usage is None


def test_usage_that_is_not_believed_leaves_the_one_before() -> None:
    meter = fed({"choices": [], "usage": USAGE}, {"choices": [], "usage": {**USAGE, "prompt_tokens": -1}})

    assert meter.usage == Tokens(input=3, output=2)


def test_of_two_usages_the_last_counts() -> None:
    meter = fed({"choices": [], "usage": USAGE}, {"choices": [], "usage": {**USAGE, "completion_tokens": 9}})

    assert meter.usage == Tokens(input=3, output=9)


def test_usage_after_done_is_too_late() -> None:
    assert fed("[DONE]", {"choices": [], "usage": USAGE}).usage is None


# What is no chunk

WORDLESS = [
    "null",
    "true",
    "12",
    "[1]",
    '{"choices": 3}',
    '{"choices": {"a": 1}}',
    '{"choices": [{"delta": {"tool_calls": 3}}]}',
    '{"choices": [{"delta": 3, "finish_reason": "stop"}]}',
]

UNREADABLE = [
    "nonsense",
    '{"half',
    '"text"',
    '["text"]',
    '{"choices": ["x"]}',
    '{"choices": [{"delta": "x"}]}',
    '{"choices": [{"delta": {"tool_calls": ["x"]}}]}',
    '{"choices": [{"delta": {"tool_calls": [{"function": "x"}]}}]}',
    "[" * 2000 + "]" * 2000,
    "[" * 1000 + '"x"' + "]" * 1000,
]


@pytest.mark.parametrize("wordless", WORDLESS)
def test_what_has_no_words_is_dropped_counted_and_does_not_stop_the_stream(wordless: str) -> None:
    meter = StreamReader(wants_usage=False)

    relayed = meter.feed(event(chunk("a")) + event(wordless) + event(chunk("b")))

    assert read(relayed) == [json.dumps(chunk("a")), json.dumps(chunk("b"))]
    assert (meter.dropped, meter.recorded.text()) == (1, "ab")


@pytest.mark.parametrize("unreadable", UNREADABLE, ids=[text[:60] for text in UNREADABLE])
def test_what_has_words_that_nobody_can_read_breaks_the_stream(unreadable: str) -> None:
    meter = StreamReader(wants_usage=False)

    with pytest.raises(UpstreamBroken) as caught:
        meter.feed(event(chunk("a")) + event(unreadable) + event(chunk("b")))

    assert (read(caught.value.kept), caught.value.error) == ([json.dumps(chunk("a"))], None)


@pytest.mark.parametrize("line", [b'{"choices": []}', b"<html>", b'b"}]}', b"dat"])
def test_so_does_a_line_that_is_no_field(line: bytes) -> None:
    with pytest.raises(UpstreamBroken):
        StreamReader(wants_usage=False).feed(line + b"\n\n")


@pytest.mark.parametrize("text", [3, True, [3], {"a": 1}], ids=repr)
def test_content_that_is_no_text_is_relayed_but_not_read(text: Any) -> None:
    meter = StreamReader(wants_usage=False)

    relayed = meter.feed(event(delta(content=text)) + event(delta(content=text, role="assistant")))

    assert len(read(relayed)) == 2
    assert (meter.recorded.text(), meter.recorded.text_bytes) == ("", 0)


def test_content_in_parts_is_read_and_measured() -> None:
    meter = fed(delta(content=[{"type": "text", "text": "ä"}, {"type": "text", "text": "b"}]))

    assert (meter.recorded.text(), meter.recorded.text_bytes) == ("ä\nb", 4)


PARTS: list[tuple[list[Any], str, str]] = [
    ([{"type": "text", "text": "ä"}, {"type": "text", "text": "b"}], "ä\nb", "ä\nb"),
    ([{"type": "text", "text": ""}], "", ""),
    (["ä", "b"], "ä\nb", "ä\nb"),
    ([{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}], "closed": True}], "Hm.", ""),
    ([{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Yes."}], "Hm.\nYes.", "\nYes."),
    ([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}], "[image_url]", "[image_url]"),
]


@pytest.mark.parametrize(("parts", "text", "matched"), PARTS)
def test_parts_are_read_as_people_read_them(parts: list[Any], text: str, matched: str) -> None:
    """Magistral sends its thoughts as a part of the content."""
    meter, whole = fed(delta(content=parts)), PlainReader()
    whole.feed(json.dumps({"choices": [{"message": {"content": parts}}], "usage": USAGE}).encode())
    whole.end()

    for reader in (meter, whole):
        assert (reader.recorded.text(), reader.recorded.matched_as()) == (text, matched)
        assert reader.has_content == bool(text) or reader is whole


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)

ODD_CHOICES = st.fixed_dictionaries(
    {},
    optional={
        "index": JSON,
        "finish_reason": JSON,
        "delta": st.fixed_dictionaries(
            {}, optional={"content": JSON, "refusal": JSON, "reasoning_content": JSON, "tool_calls": JSON}
        ),
    },
)

ODD_EVENTS = st.fixed_dictionaries({}, optional={"choices": JSON | st.lists(ODD_CHOICES, max_size=3), "usage": JSON})


@given(payloads=st.lists(ODD_EVENTS, max_size=4))
def test_whatever_a_provider_sends_can_be_read_and_charged(payloads: list[Any]) -> None:
    meter = StreamReader(wants_usage=False)

    with contextlib.suppress(UpstreamBroken):
        for payload in payloads:
            meter.feed(event(payload))
        meter.end()

    assert isinstance(meter.recorded.text(), str)
    assert meter.usage is None or isinstance(meter.usage, Tokens)


# What was written


def test_tool_calls_are_read_piece_by_piece() -> None:
    pieces = [{"name": "add", "arguments": ""}, {"arguments": '{"a"'}, {"arguments": ": 1}"}]

    meter = fed(*(delta(tool_calls=[{"index": 0, "function": piece}]) for piece in pieces))

    assert meter.recorded.text() == '[add] {"a": 1}'


@pytest.mark.parametrize("field", ["content", "refusal", "reasoning_content"])
def test_every_kind_of_text_is_read_and_measured(field: str) -> None:
    meter = fed(delta(**{field: "ä"}), delta(**{field: "b", "role": "assistant"}))

    assert (meter.recorded.text(), meter.recorded.text_bytes) == ("äb", 3)


def test_choices_are_read_each_for_itself() -> None:
    meter = fed(*(chunk(text, index=index) for index, text in ((1, "x"), (0, "a"), (1, "y"), (2, "1"), (0, "b"))))

    assert meter.recorded.text() == "ab\n\nxy\n\n1"


@pytest.mark.parametrize("odd", ["1", None, 1.5, [], {"a": 1}], ids=repr)
def test_an_odd_index_costs_no_text(odd: Any) -> None:
    meter = fed(chunk("a", index=0), chunk("b", index=odd), chunk("c", index=1))

    assert sorted(meter.recorded.text().replace("\n", "")) == ["a", "b", "c"]


# Plain answers


def test_a_plain_answer_s_choices_are_read_each_for_itself() -> None:
    choices = [{"index": 1, "message": {"content": "x"}}, {"index": 0, "message": {"content": "a"}}]

    assert plain({"choices": choices}).recorded.text() == "a\n\nx"


def test_a_plain_answer_may_be_a_tool_call() -> None:
    call = {"id": "1", "function": {"name": "add", "arguments": "{}"}}

    assert plain({"choices": [{"message": {"content": None, "tool_calls": [call]}}]}).recorded.text() == "[add] {}"


@pytest.mark.parametrize("odd", ["1", None, 1.5, [], {"a": 1}], ids=repr)
def test_an_odd_index_of_a_plain_answer_costs_no_text(odd: Any) -> None:
    choices = [{"index": index, "message": {"content": text}} for index, text in ((0, "a"), (odd, "b"), (1, "c"))]

    assert sorted(plain({"choices": choices}).recorded.text().replace("\n", "")) == ["a", "b", "c"]


@given(choices=st.lists(st.fixed_dictionaries({"message": JSON}, optional={"index": JSON}), max_size=3), usage=JSON)
def test_a_plain_answer_is_read_or_refused(choices: list[Any], usage: Any) -> None:
    try:
        meter = plain({"choices": choices, "usage": usage})
    except UpstreamBroken:
        return

    assert isinstance(meter.recorded.text(), str)


def test_an_answer_with_tool_calls_is_recognised_when_the_client_sends_it_again() -> None:
    deltas = [
        {"role": "assistant", "content": "Let me"},
        {"content": " see.", "reasoning_content": "hmm"},
        {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "add", "arguments": '{"x":'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]},
    ]
    resent = {
        "role": "assistant",
        "content": "Let me see.",
        "tool_calls": [{"id": "a", "type": "function", "function": {"name": "add", "arguments": '{"x":1}'}}],
    }

    meter = fed(*({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas))

    assert meter.recorded.matched_as() == matched_as(resent)
