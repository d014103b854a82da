"""What strict readers refuse: the words reach the student, in JSON and UTF-8 that every client reads."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.chat.dialects.openai_chat.answer import PlainReader, StreamReader
from apps.providers.adapters.protocol import UpstreamBroken

STOP = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'


def event(content: bytes, *, index: int = 0, finish: bytes = b"null", more: bytes = b"") -> bytes:
    """An event with this, as it is, within the quotation marks of its content."""
    head = b'data: {"choices":[{"index":%d,"delta":{"content":"' % index
    return head + content + b'"},"finish_reason":%s}]%s}\n\n' % (finish, more)


def strictly(stream: bytes) -> list[Any]:
    """The events as the strictest of clients reads them."""
    text = stream.decode()
    text.encode()  # no halves of pairs, which Python would let pass
    return [
        json.loads(part.removeprefix("data: "), parse_constant=lambda name: pytest.fail(name))
        for part in text.split("\n\n")
        if part
    ]


def text_of(stream: bytes) -> str:
    """What a client puts together from the first choice."""
    choices = [choice for one in strictly(stream) for choice in one["choices"] if choice["index"] == 0]
    text = "".join(choice["delta"].get("content") or "" for choice in choices)
    text.encode()
    return text


STREAMS: dict[str, tuple[list[bytes], str]] = {
    "a pair in two events": ([event(rb"before \ud83d"), event(rb"\ude00 after")], "before 😀 after"),
    "with an empty event between": ([event(rb"a\ud83d"), event(b""), event(rb"\ude00b")], "a😀b"),
    "with another choice between": ([event(rb"a\ud83d"), event(b"x", index=1), event(rb"\ude00b")], "a😀b"),
    "every half by itself": ([event(rb"\ud83d"), event(rb"\ude00"), event(rb"\ud83d"), event(rb"\ude01")], "😀😁"),
    "a half before the end": ([event(rb"cut \ud83d", finish=b'"length"')], "cut \ufffd"),
    "a half that another event ends": ([event(rb"cut \ud83d"), STOP], "cut \ufffd"),
    "a first half alone": ([event(rb"a\ud83d"), event(b"b")], "a\ufffdb"),
    "two first halves": ([event(rb"a\ud83d"), event(rb"\ud83d\ude00b")], "a\ufffd😀b"),
    "a second half alone": ([event(b"a"), event(rb"\ude00b")], "a\ufffdb"),
    "within a text": ([event(rb"a\ud83db")], "a\ufffdb"),
    "no UTF-8": ([event(b"a"), event(b"caf\xe9!"), event(b"b")], "acaf\ufffd!b"),
    "a tab": ([event(b"a\tb")], "a\tb"),
    "no number": ([event(b"a", more=b',"x":[NaN,Infinity,-Infinity,1e999]'), event(b"b")], "ab"),
    "a byte order mark": ([b"\xef\xbb\xbf" + event(b"a"), event(b"b")], "ab"),
    "a name twice": ([event(b'a","content":"b')], "b"),
    "after many like it": ([*[event(b"a")] * 5, event(rb"\ud83d"), *[event(b"b")] * 5], "aaaaa\ufffdbbbbb"),
    "a pair after many": (
        [*[event(b"a")] * 5, event(rb"\ud83d"), event(rb"\ude00"), *[event(b"b")] * 5],
        "aaaaa😀bbbbb",
    ),
}


@pytest.mark.parametrize(("events", "text"), STREAMS.values(), ids=STREAMS.keys())
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_the_words_reach_the_student_however_the_stream_is_cut(events: list[bytes], text: str, size: int) -> None:
    reader, whole = StreamReader(wants_usage=False), b"".join(events)

    relayed = b"".join(reader.feed(whole[start : start + size]) for start in range(0, len(whole), size))

    assert text_of(relayed) == text
    assert reader.recorded.text().split("\n\n")[0] == text


def test_events_that_every_client_can_read_stay_as_they_came() -> None:
    reader = StreamReader(wants_usage=False)
    good = event(rb"\u00e4 \ud83d\ude00", more=b', "n": 123456789012345678901234567890, "x": 1.50')

    assert reader.feed(event(b"a\xff") + good).endswith(good)


def test_integers_of_any_size_pass_through_an_event_that_is_mended() -> None:
    reader = StreamReader(wants_usage=False)

    relayed = reader.feed(event(b"a", more=b',"n":123456789012345678901234567890,"usage":{"total_tokens":1}'))

    assert strictly(relayed)[0]["n"] == 123456789012345678901234567890
    assert "usage" not in strictly(relayed)[0]


@given(whole=st.text(st.characters(exclude_categories=[]) | st.sampled_from("😀👋"), max_size=12), data=st.data())
def test_any_text_cut_at_any_unit_is_whole_again(whole: str, data: st.DataObject) -> None:
    """As a provider does that cuts text by UTF-16 units, and escapes what it sends."""
    units = [json.dumps(whole)[1:-1]] if whole.isascii() else [f"\\u{unit:04x}" for unit in _units(whole)]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(units)), max_size=4)))
    pieces = ["".join(units[a:b]) for a, b in zip([0, *cuts], [*cuts, len(units)], strict=True)]
    reader = StreamReader(wants_usage=False)

    relayed = b"".join(reader.feed(event(piece.encode())) for piece in pieces) + reader.feed(STOP)

    expected = whole.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert text_of(relayed) == reader.recorded.text() == expected


def _units(text: str) -> list[int]:
    coded = text.encode("utf-16-le", "surrogatepass")
    return [int.from_bytes(coded[n : n + 2], "little") for n in range(0, len(coded), 2)]


# Plain answers

PLAIN: dict[str, tuple[bytes, str]] = {
    "half a pair": (rb"cut emoji \ud83d", "cut emoji \ufffd"),
    "no UTF-8": (b"caf\xe9", "caf\ufffd"),
    "a line break": (b"a\nb", "a\nb"),
    "a name twice": (b'a","content":"b', "b"),
}
BODY = b'{"choices":[{"index":0,"message":{"role":"assistant","content":"%s"},"finish_reason":"length"}]%s}'


@pytest.mark.parametrize(("content", "text"), PLAIN.values(), ids=PLAIN.keys())
@pytest.mark.parametrize("more", [b"", b',"x":NaN,"n":123456789012345678901234567890'])
def test_so_they_do_in_a_plain_answer(content: bytes, text: str, more: bytes) -> None:
    reader = PlainReader()
    reader.feed(BODY % (content, more))
    reader.end()

    answer = strictly(reader.body())[0]

    assert answer["choices"][0]["message"]["content"] == reader.recorded.text() == text
    assert not more or (answer["x"], answer["n"]) == (None, 123456789012345678901234567890)


def test_a_byte_order_mark_is_taken_off_and_the_rest_stays_as_it_came() -> None:
    reader, body = PlainReader(), BODY % (b"a", b', "x": 1.50')
    reader.feed(b"\xef\xbb")
    reader.feed(b"\xbf" + body)
    reader.end()

    assert reader.body() == body


@pytest.mark.parametrize("body", [b"<html>", b'{"choices":[', b"{'choices': []}", b"\xff\xfe{\x00}\x00"])
def test_what_nobody_can_read_is_no_answer(body: bytes) -> None:
    reader = PlainReader()
    reader.feed(body)

    with pytest.raises(UpstreamBroken):
        reader.end()
