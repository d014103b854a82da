"""Events that the meter reads many at a time are read as one by one."""

import json

from hypothesis import example, given
from hypothesis import strategies as st

from apps.chat.dialects.openai_chat.answer import StreamReader
from apps.providers.adapters.protocol import UpstreamBroken
from tests.chat.unit.meters import chunk, cut, event


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
    for piece in chunks:
        try:
            relayed.append(meter.feed(piece))
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
