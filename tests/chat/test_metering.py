"""What the meter relays of an answer, and what it reads."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.chat.dialects.openai_chat.answer import MAX_EVENT, PlainReader, StreamReader
from apps.providers.adapters.protocol import UpstreamBroken
from apps.quotas.weights import Tokens

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def chunk(content: str | None = None, *, finish: str | None = None, **extra: Any) -> dict[str, Any]:
    delta = {} if content is None else {"content": content}
    return {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **extra}


def event(payload: Any, *, end: str = "\n") -> bytes:
    data = payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False)
    return f"data: {data}{end}{end}".encode()


def stream(*, end: str = "\n") -> bytes:
    payloads = [chunk("Hyvää "), chunk("päivää 👋"), chunk(finish="stop"), {"choices": [], "usage": USAGE}, "[DONE]"]
    return b"".join(event(payload, end=end) for payload in payloads)


def payloads_of(relayed: bytes) -> list[Any]:
    """As a client reads them."""
    return [json.loads(part.removeprefix(b"data: ")) for part in relayed.split(b"\n\n") if part]


@given(cuts=st.lists(st.integers(0, len(stream(end="\r\n"))), max_size=12), end=st.sampled_from(["\n", "\r\n", "\r"]))
def test_it_does_not_matter_where_a_stream_is_cut(cuts: list[int], end: str) -> None:
    whole = stream(end=end)
    places = [0, *sorted(cuts), len(whole)]
    meter = StreamReader(wants_usage=True)

    relayed = b"".join(meter.feed(whole[a:b]) for a, b in itertools.pairwise(places))

    meter.end()
    assert meter.recorded.text() == "Hyvää päivää 👋"
    assert meter.usage == Tokens(input=3, output=2)
    assert payloads_of(relayed) == [
        chunk("Hyvää "),
        chunk("päivää 👋"),
        chunk(finish="stop"),
        {"choices": [], "usage": USAGE},
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_stream_byte_by_byte(end: str) -> None:
    meter = StreamReader(wants_usage=False)

    for byte in stream(end=end):
        meter.feed(bytes([byte]))

    assert meter.recorded.text() == "Hyvää päivää 👋"
    assert meter.is_done


def test_the_usage_event_is_relayed_only_to_those_who_asked() -> None:
    asked, silent = StreamReader(wants_usage=True), StreamReader(wants_usage=False)

    relayed = [meter.feed(stream()) for meter in (asked, silent)]

    assert ["usage" in str(payloads_of(part)) for part in relayed] == [True, False]
    assert asked.usage == silent.usage == Tokens(input=3, output=2)


def test_usage_that_rides_on_a_chunk_with_text_does_not_hide_the_text() -> None:
    meter = StreamReader(wants_usage=False)

    relayed = meter.feed(event(chunk("Hello", usage=USAGE)))

    assert payloads_of(relayed)[0]["choices"][0]["delta"]["content"] == "Hello"


def test_the_last_usage_counts() -> None:
    meter = StreamReader(wants_usage=False)

    meter.feed(event(chunk("a", usage={"prompt_tokens": 3, "completion_tokens": 1})))
    meter.feed(event(chunk("b", usage={"prompt_tokens": 3, "completion_tokens": 2})))

    assert meter.usage == Tokens(input=3, output=2)


def test_a_report_in_the_middle_is_not_the_last_word() -> None:
    meter = StreamReader(wants_usage=False)
    finals = [meter.is_usage_final]

    for part in (
        chunk("a"),
        chunk("b", usage=USAGE),
        chunk("c"),
        {"choices": [], "usage": USAGE},
        chunk(finish="stop"),
    ):
        meter.feed(event(part))
        finals.append(meter.is_usage_final)

    assert finals == [False, False, True, False, True, True]


def test_a_report_that_makes_no_sense_does_not_take_the_place_of_one_that_does() -> None:
    meter = StreamReader(wants_usage=False)

    for usage in (USAGE, {"prompt_tokens": -1, "completion_tokens": 2}, {"prompt_tokens": "many"}, {"total_tokens": 5}):
        meter.feed(event({"choices": [], "usage": usage}))

    assert (meter.usage, meter.is_usage_final) == (Tokens(input=3, output=2), True)


@pytest.mark.parametrize("nothing", ["", " ", "[1]", "null", "12", '{"choices": 3}'])
def test_an_event_without_words_that_is_no_chunk_is_dropped_and_the_stream_goes_on(nothing: str) -> None:
    meter = StreamReader(wants_usage=False)

    relayed = meter.feed(event(chunk("a")) + event(nothing) + event(chunk("b")))

    assert payloads_of(relayed) == [chunk("a"), chunk("b")]
    assert meter.recorded.text() == "ab"


@pytest.mark.parametrize("broken", ['{"half', "nonsense", '"text"', '{"choices": [{"delta": "text"}]}'])
def test_an_event_with_words_that_nobody_can_read_breaks_the_stream(broken: str) -> None:
    meter = StreamReader(wants_usage=False)

    with pytest.raises(UpstreamBroken) as caught:
        meter.feed(event(chunk("a")) + event(broken) + event(chunk("b")))

    assert payloads_of(caught.value.kept) == [chunk("a")]
    assert meter.recorded.text() == "a"


def test_comments_are_relayed() -> None:
    meter = StreamReader(wants_usage=False)

    assert meter.feed(b": keep-alive\n\n") == b": keep-alive\n\n"


def test_unknown_fields_are_relayed_as_they_were() -> None:
    odd = b'data: {"choices":[{"index":0,"delta":{"content":"a"},"x":1.50}],"novelty":{"deep":[null]}}\n\n'

    assert StreamReader(wants_usage=False).feed(odd) == odd


def test_several_data_lines_are_one_event() -> None:
    meter = StreamReader(wants_usage=False)

    meter.feed(b'data: {"choices": [{"index": 0,\ndata: "delta": {"content": "a"}}]}\n\n')

    assert meter.recorded.text() == "a"


def test_nothing_is_relayed_after_done() -> None:
    meter = StreamReader(wants_usage=False)

    relayed = meter.feed(event(chunk(finish="stop")) + event("[DONE]") + event(chunk("more")))

    assert payloads_of(relayed) == [chunk(finish="stop")]


def test_an_error_event_breaks_the_stream() -> None:
    with pytest.raises(UpstreamBroken):
        StreamReader(wants_usage=False).feed(event({"error": {"message": "no"}}))


@pytest.mark.parametrize(
    ("last", "is_whole"),
    [(chunk("a"), False), (chunk(finish="stop"), True), (chunk(finish="length"), True), ("[DONE]", True)],
)
def test_a_stream_is_whole_if_it_finished_or_said_so(last: Any, is_whole: bool) -> None:
    meter = StreamReader(wants_usage=False)
    meter.feed(event(chunk("a")) + event(last))

    if is_whole:
        meter.end()
    else:
        with pytest.raises(UpstreamBroken):
            meter.end()


def test_an_endless_event_breaks_the_stream() -> None:
    meter = StreamReader(wants_usage=False)

    with pytest.raises(UpstreamBroken):
        for _ in range(MAX_EVENT // 2**20 + 1):
            meter.feed(b"x" * 2**20)


def test_everything_that_the_model_wrote_is_measured() -> None:
    meter = StreamReader(wants_usage=False)
    call = {"index": 0, "function": {"name": "add", "arguments": '{"a": 1}'}}
    deltas = [{"reasoning_content": "Hm. "}, {"content": "Ä"}, {"refusal": "No."}, {"tool_calls": [call]}]

    for delta in deltas:
        meter.feed(event({"choices": [{"index": 0, "delta": delta}]}))

    assert meter.recorded.text() == 'Hm. ÄNo.[add] {"a": 1}'
    assert meter.recorded.text_bytes == len(meter.recorded.text().encode())


def test_several_choices_are_kept_apart() -> None:
    meter = StreamReader(wants_usage=False)

    for index, content in ((0, "a"), (1, "x"), (0, "b"), (1, "y")):
        meter.feed(event({"choices": [{"index": index, "delta": {"content": content}}]}))

    assert meter.recorded.text() == "ab\n\nxy"


# Plain answers


def test_a_plain_answer_is_kept_byte_for_byte() -> None:
    body = json.dumps({"choices": [{"message": {"content": "Hällo"}}], "usage": USAGE, "x": 1}, indent=2).encode()
    meter = PlainReader()

    relayed = [meter.feed(body[:10]), meter.feed(body[10:])]
    meter.end()

    assert relayed == [b"", b""]
    assert meter.body() == body
    assert (meter.recorded.text(), meter.usage) == ("Hällo", Tokens(input=3, output=2))


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"null", b"[]", b"{", b'{"choices": null}', b'{"choices": [{}]}', b'{"choices": ["x"]}', b"<html>"],
)
def test_what_is_no_completion_is_no_answer(body: bytes) -> None:
    meter = PlainReader()
    meter.feed(body)

    with pytest.raises(UpstreamBroken):
        meter.end()
