"""Rules at work on an answer: nothing of a match gets out, however the answer is cut."""

import asyncio
import contextlib
import json
import re
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.chat.dialects.openai_chat.answer import StreamReader
from apps.chat.guardrails.notices import AnswerBlocked
from apps.providers.adapters.protocol import UpstreamBroken
from tests.chat.unit.guards import BLOCK, END, NEEDLE, REDACT, Client, event, guard, run, stream


def texts_cut(text: str, places: list[int]) -> list[str]:
    cuts = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    return [text[a:b] for a, b in pairwise(cuts)]


# However it is cut

PIECES = st.lists(
    st.sampled_from(
        [NEEDLE, "EXAM-9999", "EXAM-", "EXAM", "1234", "-", "E", " ", "hyvää 👋 ", "the end.", "\n", "EXAM-12345", "x"]
    ),
    max_size=14,
).map("".join)

CUTS = st.lists(st.integers(0, 2_000), max_size=30)


def redacted(text: str) -> str:
    return re.sub(r"EXAM-[0-9]{4}", "[code]", text)


@given(text=PIECES, deltas=CUTS, bytes_at=CUTS)
def test_a_stream_reads_as_the_whole_answer_redacted(text: str, deltas: list[int], bytes_at: list[int]) -> None:
    events = [event({"content": piece}) for piece in texts_cut(text, deltas)]
    raw = b"".join(stream(event({"role": "assistant", "content": ""}), *events, END))
    cuts = sorted({0, len(raw), *(place % (len(raw) + 1) for place in bytes_at)})

    client = run(guard(REDACT), [raw[a:b] for a, b in pairwise(cuts)])

    assert client.texts[0, "content"] == redacted(text)


@given(texts=st.lists(PIECES, min_size=3, max_size=3), order=st.lists(st.integers(0, 2), max_size=60), deltas=CUTS)
def test_choices_and_fields_that_take_turns_are_each_redacted(
    texts: list[str], order: list[int], deltas: list[int]
) -> None:
    places = [(0, "content"), (1, "content"), (0, "reasoning_content")]
    left = [texts_cut(text, deltas) for text in texts]
    events = []
    for turn in [*order, *([n for n in range(3) for _ in left[n]])]:
        if left[turn]:
            index, key = places[turn]
            events.append(event({key: left[turn].pop(0)}, index=index))
    ends = [END, event({}, index=1, finish_reason="stop")]

    client = run(guard(REDACT), stream(*events, *ends))

    assert [client.texts[place] for place in places] == [redacted(text) for text in texts]


@given(text=PIECES, thoughts=PIECES, cuts=CUTS)
def test_content_in_parts_is_redacted_like_any_other(text: str, thoughts: str, cuts: list[int]) -> None:
    def part(piece: str) -> dict[str, Any]:
        return {"type": "text", "text": piece}

    events = [
        event({"content": [{"type": "thinking", "thinking": [part(piece)]}]}) for piece in texts_cut(thoughts, cuts)
    ]
    events += [event({"content": [part(piece)] if n % 2 else piece}) for n, piece in enumerate(texts_cut(text, cuts))]
    made = guard(REDACT)

    client = run(made, stream(*events, END))

    assert client.texts[0, "content"] == redacted(text)
    assert client.texts[0, "reasoning_content"] == redacted(thoughts)
    assert sorted(made.recorded.text()) == sorted(redacted(thoughts) + redacted(text))


def test_other_parts_are_looked_at_as_they_come() -> None:
    parts = [{"type": "text", "text": NEEDLE}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]

    client = run(guard(REDACT), stream(event({"content": parts}), END))

    assert client.events[0]["choices"][0]["delta"]["content"] == [{**parts[0], "text": "[code]"}, parts[1]]


def test_integers_of_any_size_pass_through_an_event_that_is_rebuilt() -> None:
    assert (
        b'"n":123456789012345678901234567890'
        in run(guard(REDACT), stream(event({"content": "a"})[:-1] + b',"n":123456789012345678901234567890}', END)).raw
    )


@given(text=PIECES, cuts=CUTS, escapes=st.booleans())
def test_tool_arguments_are_redacted_whole(text: str, cuts: list[int], escapes: bool) -> None:
    arguments = json.dumps({"query": text}, ensure_ascii=escapes).replace("EXAM-1", "\\u0045XAM-\\u0031")
    pieces = texts_cut(arguments, cuts)
    events = [event({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}) for piece in pieces]
    first = event({"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "look"}}]})

    client = run(guard(REDACT), stream(first, *events, event({}, finish_reason="tool_calls")))

    (call,) = client.calls.values()
    assert (call["name"], json.loads(call["arguments"])) == ("look", {"query": redacted(text)})


@given(before=PIECES.filter(lambda text: not re.search(r"EXAM-[0-9]{4}", text + "EXAM-")), cuts=CUTS, padding=CUTS)
def test_a_blocked_answer_ends_before_the_match(before: str, cuts: list[int], padding: list[int]) -> None:
    events = [event({"content": piece}) for piece in texts_cut(f"{before}{NEEDLE} and more", cuts)]
    made, client, meter = guard(BLOCK), Client(), StreamReader(wants_usage=False)

    async def feed() -> None:
        for chunk in stream(*events, END):
            client.take(await made.feed(meter.feed(chunk)))
        client.take(await made.end())

    with pytest.raises(AnswerBlocked):
        asyncio.run(feed())

    assert f"{before}{NEEDLE}".startswith(client.texts[0, "content"])
    assert "EXAM-" not in client.texts[0, "content"][len(before) :]
    assert b'finish_reason":"stop' not in client.raw


@given(text=PIECES, cuts=CUTS)
def test_a_stream_and_a_plain_answer_are_redacted_alike(text: str, cuts: list[int]) -> None:
    message = {"role": "assistant", "content": text, "reasoning_content": f"I think {text}"}
    body = orjson.dumps({"id": "c", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
    plain = guard(REDACT)
    events = [
        event({key: piece}) for key in ("reasoning_content", "content") for piece in texts_cut(message[key], cuts)
    ]

    whole = orjson.loads(asyncio.run(plain.whole(body)))["choices"][0]["message"]
    client = run(guard(REDACT), stream(*events, END))

    assert (whole["content"], whole["reasoning_content"]) == (
        client.texts[0, "content"],
        client.texts[0, "reasoning_content"],
    )


@given(cuts=CUTS, padding=st.lists(st.integers(0, 40), min_size=8, max_size=8))
def test_padding_that_cannot_be_seen_does_not_let_a_match_out(cuts: list[int], padding: list[int]) -> None:
    padded = "".join(letter + "\u200b" * times for letter, times in zip(NEEDLE, [*padding, 0], strict=True))
    events = [event({"content": piece}) for piece in texts_cut(f"So: {padded}!", cuts)]

    client = run(guard(REDACT), stream(*events, END))

    assert client.texts[0, "content"].replace("\u200b", "") == "So: [code]!"


# Whatever a provider sends

SPOILS = [
    b"",
    b"\n",
    b"\xff",
    b'"',
    rb"\ud83d",
    b"null",
    b"[",
    b"]",
    b"{}",
    b"1",
    b'"x"',
    b"NaN",
    b"tool_calls",
    b"message",
]

MUTATIONS = st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 12), st.sampled_from(SPOILS)), max_size=4)
VARIED = b"".join(
    stream(
        event({"role": "assistant", "content": ""}),
        event({"content": f"A text. {NEEDLE} "}),
        event({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]}),
        event({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "look", "arguments": "{}"}}]}),
        event({"refusal": "No."}, logprobs={"content": []}),
        event({"function_call": {"name": "look", "arguments": "{}"}}, index=1),
        END,
        b'data: {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}',
    )
)


@given(mutations=MUTATIONS)
def test_no_answer_that_the_reader_lets_pass_is_a_mistake_of_the_guard_s(
    mutations: list[tuple[int, int, bytes]],
) -> None:
    spoiled = VARIED
    for place, cut, added in mutations:
        place %= len(VARIED)
        spoiled = spoiled[:place] + added + spoiled[place + cut :]

    sent, made, meter = b"", guard(REDACT), StreamReader(wants_usage=True)

    async def feed() -> None:
        nonlocal sent
        sent += await made.feed(meter.feed(spoiled))
        sent += await made.end()

    with contextlib.suppress(UpstreamBroken, AnswerBlocked):
        asyncio.run(feed())
    assert NEEDLE.encode() not in sent
