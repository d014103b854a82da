"""The meters against everything that a stream may be: any form, any cut, any length."""

import json
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apps.chat.dialects.openai_chat.answer import MAX_EVENT, PlainReader, StreamReader
from apps.chat.dialects.openai_chat.notes import MAX_ANSWER
from apps.providers.adapters.protocol import UpstreamBroken
from apps.quotas.weights import Tokens
from tests.chat.unit.meters import USAGE, chunk, cut, event, fed, read

LINE_ENDS = ["\n", "\r\n", "\r"]


# Any form, any cut

PAYLOADS = st.one_of(
    st.text(max_size=6).map(chunk),
    st.builds(chunk, st.text("aä👋\n", max_size=6), index=st.integers(0, 2)),
    st.just(chunk(finish="stop")),
    st.just({"choices": [], "usage": USAGE}),
    st.sampled_from(["null", "{}", "", "[1]"]),
)


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """An event with whatever may stand around its data, or something else that a stream may contain."""
    end = draw(st.sampled_from(LINE_ENDS))
    payload = draw(PAYLOADS)
    indent = draw(st.sampled_from([None, 0]))
    data = payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False, indent=indent)
    space = draw(st.sampled_from([" ", ""]))
    lines = [f"data:{space}{line}" for line in data.split("\n")]
    before = draw(st.lists(st.sampled_from([": comment", "event: message", "id: 1", "retry: 10", "odd"]), max_size=2))
    alone = draw(st.sampled_from(["", "", f": keep-alive{end}{end}", end, f"event: ping{end}{end}"]))
    return (alone + end.join([*before, *lines]) + end + end).encode()


STREAMS = st.lists(frames(), max_size=6).map(b"".join)


@given(whole=STREAMS, places=st.lists(st.integers(0, 10_000), max_size=20), wants_usage=st.booleans())
@example(whole=event(chunk("👋")), places=list(range(100)), wants_usage=False)
@example(whole=event(chunk("a"), end="\r\n") + event(chunk("b"), end="\r"), places=list(range(200)), wants_usage=False)
@example(whole=event(chunk("a"), end="\r") + b"\n" + event(chunk("b")), places=list(range(200)), wants_usage=False)
def test_no_cut_changes_what_is_relayed_or_read(whole: bytes, places: list[int], wants_usage: bool) -> None:
    at_once, in_pieces = StreamReader(wants_usage=wants_usage), StreamReader(wants_usage=wants_usage)

    expected = at_once.feed(whole)
    relayed = b"".join(in_pieces.feed(piece) for piece in cut(whole, places))

    assert read(relayed) == read(expected)
    assert in_pieces.recorded.text() == at_once.recorded.text()
    assert in_pieces.recorded.text_bytes == at_once.recorded.text_bytes
    assert (in_pieces.usage, in_pieces.is_finished, in_pieces.dropped) == (
        at_once.usage,
        at_once.is_finished,
        at_once.dropped,
    )


@given(whole=STREAMS, places=st.lists(st.integers(0, 10_000), max_size=20))
def test_what_is_relayed_is_what_a_client_would_have_read(whole: bytes, places: list[int]) -> None:
    meter = StreamReader(wants_usage=True)

    relayed = b"".join(meter.feed(piece) for piece in cut(whole, places))

    assert read(relayed) == [
        data.replace("{}", '{"choices":[]}') if data == "{}" else data for data in read(whole) if data.startswith("{")
    ]


@given(texts=st.lists(st.text(min_size=1, max_size=8), max_size=8), places=st.lists(st.integers(0, 10_000)))
def test_the_text_is_whole_and_measured_in_bytes(texts: list[str], places: list[int]) -> None:
    meter = StreamReader(wants_usage=False)

    for piece in cut(b"".join(event(chunk(text)) for text in texts), places):
        meter.feed(piece)

    assert meter.recorded.text() == "".join(texts)
    assert meter.recorded.text_bytes == len("".join(texts).encode())


@given(whole=STREAMS)
def test_only_whole_events_are_relayed(whole: bytes) -> None:
    meter = StreamReader(wants_usage=True)

    for piece in cut(whole, range(0, len(whole), 7)):
        relayed = meter.feed(piece)
        assert not relayed or relayed.endswith(b"\n\n")


# The end


def test_an_error_event_breaks_the_stream_without_the_provider_s_words() -> None:
    with pytest.raises(UpstreamBroken) as caught:
        fed(chunk("a"), {"error": {"message": "acct_secret is out of credit"}})

    assert "acct_secret" not in str(caught.value)


def test_what_came_in_the_same_piece_before_an_error_event_is_still_to_be_relayed() -> None:
    meter = StreamReader(wants_usage=False)

    with pytest.raises(UpstreamBroken) as caught:
        meter.feed(event(chunk("a")) + event({"error": {"message": "x"}}))

    assert caught.value.kept == event(chunk("a"))


def test_what_came_before_an_error_event_stays_known() -> None:
    meter = fed(chunk("a", usage=USAGE))

    with pytest.raises(UpstreamBroken):
        meter.feed(event({"error": "x"}))

    assert (meter.recorded.text(), meter.usage) == ("a", Tokens(input=3, output=2))


@pytest.mark.parametrize("field", [None, "", {}, False], ids=repr)
def test_an_empty_error_is_none(field: Any) -> None:
    assert fed(chunk("a", error=field)).recorded.text() == "a"


UNFINISHED: list[list[Any]] = [[], [chunk("a")], [chunk("a", finish="")], [{"choices": [], "usage": USAGE}]]


@pytest.mark.parametrize("payloads", UNFINISHED, ids=["nothing", "text", "empty reason", "usage"])
def test_an_end_without_a_finish_is_a_break(payloads: list[Any]) -> None:
    with pytest.raises(UpstreamBroken):
        fed(*payloads).end()


@pytest.mark.parametrize("last", [chunk(finish="stop"), chunk(finish="tool_calls"), "[DONE]"], ids=str)
def test_an_end_after_a_finish_is_an_end(last: Any) -> None:
    fed(chunk("a"), last).end()


def test_an_end_within_a_choice_is_a_break_although_another_is_finished() -> None:
    meter = fed(chunk("a"), chunk("x", index=1), chunk(finish="stop"))

    with pytest.raises(UpstreamBroken):
        meter.end()
    fed(chunk("a"), chunk("x", index=1), chunk(finish="stop"), chunk(finish="length", index=1)).end()


def test_a_finish_that_never_got_its_blank_line_is_no_finish() -> None:
    meter = StreamReader(wants_usage=False)
    meter.feed(event(chunk(finish="stop"))[:-1])

    with pytest.raises(UpstreamBroken):
        meter.end()


def test_done_is_not_relayed() -> None:
    """It is the gateway's own last word, after settlement."""
    assert StreamReader(wants_usage=False).feed(event("[DONE]")) == b""


# Bounds

SECONDS = 10.0  # of work; what is linear takes a tenth of that, what is quadratic many minutes


@pytest.mark.parametrize("piece", [b"x" * 40, b"data: " + b"x" * 33 + b"\n", b"data: " + b"x" * 33 + b"\r"])
def test_an_event_in_200_000_pieces_takes_no_longer_than_its_length(piece: bytes) -> None:
    meter = StreamReader(wants_usage=False)
    started = time.process_time()

    for _ in range(200_000):
        meter.feed(piece)
    with pytest.raises(UpstreamBroken):
        meter.feed(b"\n\n")
    meter.feed(event(chunk("a")))

    assert meter.recorded.text() == "a"
    assert time.process_time() - started < SECONDS


def test_200_000_small_events_take_no_longer_than_their_length() -> None:
    meter = StreamReader(wants_usage=False)
    one = event(chunk("a"))
    started = time.process_time()

    for _ in range(200_000):
        meter.feed(one)

    assert len(meter.recorded.text()) == 200_000
    assert time.process_time() - started < SECONDS


def test_the_largest_event_that_is_allowed_passes() -> None:
    meter = StreamReader(wants_usage=False)
    whole = event(chunk("a" * (MAX_EVENT - 200)))

    for piece in cut(whole, range(0, MAX_EVENT, 2**20)):
        meter.feed(piece)

    assert meter.recorded.text_bytes == MAX_EVENT - 200


@pytest.mark.parametrize("before", [b"", event(chunk("a"))], ids=["first", "after another"])
def test_a_larger_event_breaks_the_stream(before: bytes) -> None:
    meter = StreamReader(wants_usage=False)
    meter.feed(before)

    with pytest.raises(UpstreamBroken):
        for _ in range(MAX_EVENT // 2**20 + 1):
            meter.feed(b"x" * 2**20)


@pytest.mark.parametrize("meter", [StreamReader(wants_usage=False), PlainReader()], ids=["stream", "plain"])
def test_an_endless_answer_is_broken_off(meter: StreamReader | PlainReader) -> None:
    piece = b": keep-alive %s\n\n" % (b"." * 1_000) * 1_000

    with pytest.raises(UpstreamBroken):
        for _ in range(MAX_ANSWER // len(piece) + 1):
            meter.feed(piece)
