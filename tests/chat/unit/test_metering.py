"""The meters against everything that a stream may be: any form, any cut, any nonsense."""

import contextlib
import itertools
import json
import time
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apps.chat.dialects.openai_chat.answer import MAX_EVENT, PlainReader, StreamReader
from apps.chat.dialects.openai_chat.notes import MAX_ANSWER
from apps.chat.dialects.openai_chat.text import matched_as
from apps.providers.adapters.protocol import UpstreamBroken
from apps.quotas.weights import Tokens

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
LINE_ENDS = ["\n", "\r\n", "\r"]


def chunk(content: str | None = None, *, index: Any = 0, finish: str | None = None, **extra: Any) -> dict[str, Any]:
    delta = {} if content is None else {"content": content}
    return {"choices": [{"index": index, "delta": delta, "finish_reason": finish}], **extra}


def delta(**fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields}]}


def event(payload: Any, *, end: str = "\n") -> bytes:
    data = payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False)
    return f"data: {data}{end}{end}".encode()


def fed(*payloads: Any, wants_usage: bool = False) -> StreamReader:
    """A meter that has seen these events."""
    meter = StreamReader(wants_usage=wants_usage)
    for payload in payloads:
        meter.feed(event(payload))
    return meter


def read(stream: bytes) -> list[str]:
    """The data of a stream's events, as the event stream format says that clients read it."""
    text = stream.decode().replace("\r\n", "\n").replace("\r", "\n")
    found, lines = [], []
    for line in text.split("\n"):
        if line.startswith("data:"):
            lines.append(line[5:].removeprefix(" "))
        elif not line and lines:
            found.append("\n".join(lines))
            lines = []
    return found


def cut(whole: bytes, places: Iterable[int]) -> list[bytes]:
    ends = [0, *sorted(place % (len(whole) + 1) for place in places), len(whole)]
    return [whole[a:b] for a, b in itertools.pairwise(ends)]


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


# Plain answers


def plain(body: Any) -> PlainReader:
    meter = PlainReader()
    meter.feed(json.dumps(body).encode())
    meter.end()
    return meter


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


# Many events at a time


class PlainlyReading(StreamReader):
    """Parses every event."""

    lessons = 0


FRAMES = [
    '{"id":"c","choices":[{"index":0,"delta":{"content":%s},"finish_reason":null}]}',
    '{"id":"c","choices":[{"index":1,"delta":{"content":%s},"finish_reason":null}],"created":1}',
    '{"choices": [{"delta": {"content": %s}}], "usage": null}',
    '{"choices":[{"index":0,"delta":{"content":%s}}],"content":"x"}',
    '{"content":"x","choices":[{"index":0,"delta":{"content":%s}}]}',
    '{"choices":[{"index":0,"delta":{"content":"y","content":%s}}]}',
    '{"choices":[{"index":0,"delta":{"content":%s}}],"usage":{"prompt_tokens":3,"completion_tokens":2}}',
    '{"choices":[{"index":0,"delta":{"content":%s},"finish_reason":"stop"}]}',
    '{"choices":[{"index":0,"delta":{"content":%s,"role":"assistant"}}]}',
    '{"choices":[{"index":0,"delta":{"content":%s}}],"error":{"message":"no"}}',
]
INSIDES = [
    '"',
    "a",
    "ä👋",
    r"\n",
    r"\"",
    "\\",
    r"\\",
    r"\u00e4",
    r"\ud83d\ude00",
    r"\ud800",
    r"\x",
    "\t",
    '","',
    '"]',
    '",["b',
    '"}',
    ",",
]
TOKENS = st.one_of(
    st.text(max_size=6).map(json.dumps),
    st.text("aä", max_size=3).map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.lists(st.sampled_from(INSIDES), max_size=4).map(lambda pieces: f'"{"".join(pieces)}"'),
    st.sampled_from(["null", "3", "[]", "", '"']),
)
OTHERS = st.sampled_from([b": keep-alive\n\n", b"data: [DONE]\n\n", b"data: nonsense\n\n", b"\n\n", b"event: ping\n\n"])


@st.composite
def runs(draw: st.DrawFn) -> bytes:
    """Events of one form, a few of them broken."""
    form = draw(st.sampled_from(FRAMES))
    return b"".join(f"data: {form % token}\n\n".encode() for token in draw(st.lists(TOKENS, min_size=1, max_size=6)))


def fed_whole(meter: StreamReader, chunks: list[bytes]) -> tuple[list[bytes], bytes, str]:
    relayed: list[bytes] = []
    for chunk in chunks:
        try:
            relayed.append(meter.feed(chunk))
        except UpstreamBroken as error:
            return relayed, error.kept, str(error)
    return relayed, b"", ""


@given(parts=st.lists(st.one_of(runs(), OTHERS), max_size=6), places=st.lists(st.integers(0, 10_000), max_size=8))
@example(parts=["data: {}\n\n".format(form % '""').encode() * 2 for form in FRAMES[:2]], places=[])
@example(
    parts=[b'data: {"choices":[{"delta":{"content":"%s"}}]}\n\n' % text for text in (b"a", b"b\\", b'","c')], places=[]
)
def test_events_read_many_at_a_time_are_read_as_one_by_one(parts: list[bytes], places: list[int]) -> None:
    chunks = [parts, cut(b"".join(parts), places), [b"".join(parts)]]
    for one in chunks:
        quick, plain = StreamReader(wants_usage=False), PlainlyReading(wants_usage=False)

        assert fed_whole(quick, one) == fed_whole(plain, one)

        assert quick.recorded.text() == plain.recorded.text()
        assert quick.recorded.matched_as() == plain.recorded.matched_as()
        assert quick.recorded.text_bytes == plain.recorded.text_bytes
        assert (quick.usage, quick.is_usage_final, quick.is_finished, quick.is_done, quick.dropped) == (
            plain.usage,
            plain.is_usage_final,
            plain.is_finished,
            plain.is_done,
            plain.dropped,
        )


def test_a_form_that_changes_now_and_then_is_learned_anew() -> None:
    meter = StreamReader(wants_usage=False)

    for second in range(5):
        for word in ("a", "b", "c"):
            meter.feed(event(chunk(word, created=second)))

    assert meter.recorded.text() == "abc" * 5


def test_a_form_that_never_comes_again_is_given_up() -> None:
    meter = StreamReader(wants_usage=False)

    relayed = [meter.feed(event(chunk("a", obfuscation="x" * number))) for number in range(20)]

    assert relayed == [event(chunk("a", obfuscation="x" * number)) for number in range(20)]
    assert meter.recorded.text() == "a" * 20


def test_it_relays_an_event_that_is_nested_as_deeply_as_can_be_parsed() -> None:
    deep = event('{"choices": [{"index": 0, "delta": {"content": "Hello"}}], "deep": ' + "[" * 1000 + "]" * 1000 + "}")
    meter = StreamReader(wants_usage=False)

    assert meter.feed(deep) == deep
    assert meter.recorded.text() == "Hello"
