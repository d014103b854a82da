"""Streams cut anywhere and spoiled in any way: what is relayed is legal, and only UpstreamBroken is raised."""

import contextlib
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.chat.dialects.openai_chat.answer import PlainReader, StreamReader
from apps.providers.adapters.protocol import UpstreamBroken

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
CALL = {"id": "a", "function": {"name": "add", "arguments": '{"a": 1}'}}


def event(*, finish: str | None = None, end: str = "\n\n", **delta: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return f"data: {json.dumps({'id': 'c', 'choices': [choice]}, ensure_ascii=False)}{end}".encode()


SAMPLE = b"".join(
    (
        b"\xef\xbb\xbf: hello\n\n",
        event(role="assistant", content=""),
        *(event(content=word) for word in ("Grüße ", "👋 ", "an ", "alle ", "drei")),
        rb'data: {"id":"c","choices":[{"index":0,"delta":{"content":"half \ud83d"}}]}' + b"\r\n\r\n",
        rb'data: {"id":"c","choices":[{"index":0,"delta":{"content":"\ude00 whole"}}],"x":NaN}' + b"\r\r",
        event(content="caf\xe9", end="\n\n").decode().encode("latin-1"),
        event(reasoning_content="Hm.", end="\r\n\r\n"),
        event(tool_calls=[CALL]),
        event(tool_calls=[{"function": {"arguments": "}"}}]),
        b"id: 1\nevent: message\ndata: " + json.dumps({"choices": [], "usage": None}).encode() + b"\n\n",
        *(event(content=word) for word in ("Und ", "nun ", "Schluss.")),
    )
)
END = event(finish="stop") + b"data: " + json.dumps({"choices": [], "usage": USAGE}).encode() + b"\n\ndata: [DONE]\n\n"
WHOLE = SAMPLE + END


def payloads(relayed: bytes) -> list[Any]:
    """The events as the strictest of clients reads them."""
    found = []
    for part in relayed.decode().replace("\r\n", "\n").replace("\r", "\n").split("\n\n"):
        lines = [line[5:].removeprefix(" ") for line in part.split("\n") if line.startswith("data:")]
        if lines:
            found.append(json.loads("\n".join(lines), parse_constant=lambda name: pytest.fail(name)))
    return found


def read(*pieces: bytes) -> tuple[list[Any], StreamReader, bool]:
    """What is relayed of a stream, and whether it came to its end."""
    reader, relayed = StreamReader(wants_usage=False), b""
    try:
        for piece in pieces:
            relayed += reader.feed(piece)
        reader.end()
    except UpstreamBroken as error:
        return payloads(relayed + error.kept), reader, False
    return payloads(relayed), reader, True


EXPECTED, AT_ONCE, _ = read(WHOLE)


def test_the_sample_is_read_whole() -> None:
    assert AT_ONCE.recorded.text() == ('Grüße 👋 an alle dreihalf 😀 wholecaf\ufffdHm.[add] {"a": 1}}Und nun Schluss.')
    assert AT_ONCE.is_done


def test_no_cut_at_any_byte_changes_what_is_relayed() -> None:
    for place in range(len(WHOLE)):
        relayed, reader, is_whole = read(WHOLE[:place], WHOLE[place:])

        assert (relayed, is_whole) == (EXPECTED, True), place
        assert reader.recorded.text() == AT_ONCE.recorded.text()


def test_single_bytes_are_read_as_well() -> None:
    assert read(*(WHOLE[n : n + 1] for n in range(len(WHOLE))))[0] == EXPECTED


def test_a_stream_that_ends_at_any_byte_gives_what_came_and_is_not_taken_for_a_whole_one() -> None:
    for place in range(len(WHOLE)):
        relayed, _, is_whole = read(WHOLE[:place])

        assert relayed == EXPECTED[: len(relayed)], place
        assert not is_whole or place >= len(SAMPLE) + len(event(finish="stop")), place


def test_a_thousand_cuts_into_many_pieces() -> None:
    rng = random.Random(11)
    for _ in range(1000):
        places = sorted(rng.sample(range(1, len(WHOLE)), rng.randint(1, 12)))
        pieces = [WHOLE[a:b] for a, b in zip([0, *places], [*places, len(WHOLE)], strict=True)]

        assert read(*pieces)[0] == EXPECTED, places


SPOILS = [
    b"",
    b"\n",
    b"\n\n",
    b"\r",
    b"\xff",
    b'"',
    b"\\",
    rb"\ud83d",
    b"NaN",
    b"{",
    b"}",
    b"data:",
    b":",
    b"null",
    b"[",
    b"9" * 30,
]
MUTATIONS = st.lists(
    st.tuples(st.integers(0, len(WHOLE)), st.integers(0, 8), st.sampled_from(SPOILS) | st.binary(max_size=3)),
    max_size=5,
)


@given(mutations=MUTATIONS, size=st.integers(1, 400))
def test_whatever_is_changed_only_legal_events_are_relayed(mutations: list[tuple[int, int, bytes]], size: int) -> None:
    spoiled = WHOLE
    for place, cut, added in mutations:
        spoiled = spoiled[:place] + added + spoiled[place + cut :]

    relayed, reader, _ = read(*(spoiled[start : start + size] for start in range(0, len(spoiled), size)))

    assert all(isinstance(one["choices"], list) and one["choices"] for one in relayed)
    reader.recorded.text().encode()


ANSWER = json.dumps(
    {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Grüße 👋", "tool_calls": [CALL]}}],
        "usage": USAGE,
    },
    ensure_ascii=False,
).encode()


@given(mutations=MUTATIONS)
def test_so_it_is_with_a_plain_answer(mutations: list[tuple[int, int, bytes]]) -> None:
    spoiled = ANSWER
    for place, cut, added in mutations:
        place %= len(ANSWER)
        spoiled = spoiled[:place] + added + spoiled[place + cut :]
    reader = PlainReader()

    with contextlib.suppress(UpstreamBroken):
        reader.feed(spoiled)
        reader.end()
        json.loads(reader.body().decode(), parse_constant=lambda name: pytest.fail(name))["choices"]
