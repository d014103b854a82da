"""Rules at work on an answer: nothing of a match gets out, however the answer is cut."""

import asyncio
import contextlib
import json
import re
import threading
from collections import defaultdict
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.chat.dialects.openai_chat.answer import StreamReader
from apps.chat.guardrails.holdback import MARGIN
from apps.chat.guardrails.notices import AnswerBlocked
from apps.chat.guardrails.streams import Guard, guard_of
from apps.chat.guardrails.workers import RulesUnavailable
from apps.common.sse import joined
from apps.providers.adapters.protocol import UpstreamBroken
from apps.rules.engine.matcher import EngineFailed, Folded, Matcher
from apps.rules.rulebook import CompiledRule, Occasion, Rulebook
from tests.chat.unit.values import NOW, a_call, a_rule

ON_ANSWERS = Occasion(direction="answer", now=NOW, timezone="UTC")
NEEDLE = "EXAM-1234"
REDACT = a_rule(
    id=1, name="codes", action="redact", direction="answer", pattern=r"EXAM-[0-9]{4}", message="", replacement="[code]"
)
BLOCK = replace(REDACT, id=2, action="block", message="Not that.")
FLAG = replace(REDACT, id=3, action="flag")


def guard(*rules: CompiledRule, lets_pass: bool = False) -> Guard:
    made = guard_of(a_call("Hi"), Rulebook.of(rules, lets_pass=lets_pass), occasion=ON_ANSWERS)
    assert made is not None
    return made


def event(delta: dict[str, Any], *, index: int = 0, finish_reason: str | None = None, **more: Any) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": finish_reason}
    return b"data: " + orjson.dumps({"id": "c", "object": "chat.completion.chunk", "choices": [choice], **more})


@dataclass
class Client:
    """What a client has put together from a stream."""

    texts: dict[tuple[int, str], str] = field(default_factory=lambda: defaultdict(str))
    calls: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    raw: bytes = b""

    def take(self, block: bytes) -> None:
        self.raw += block
        for one in filter(None, block.split(b"\n\n")):
            if one.startswith(b"data: "):
                payload = orjson.loads(one[6:])
                self.events.append(payload)
                for choice in payload.get("choices") or ():
                    self._take(choice["index"], choice.get("delta") or {})

    def _take(self, index: int, delta: dict[str, Any]) -> None:
        for key, value in delta.items():
            if key == "tool_calls":
                for call in value:
                    held = self.calls.setdefault((index, call["index"]), {"name": "", "arguments": ""})
                    for part, text in (call.get("function") or {}).items():
                        held[part] += text
            elif isinstance(value, str):
                self.texts[index, key] += value


def run(made: Guard, chunks: list[bytes]) -> Client:
    """Feed chunks of a stream, cut anywhere, through a meter and the guard."""
    client, meter = Client(), StreamReader(wants_usage=True)

    async def feed() -> None:
        for chunk in chunks:
            if block := meter.feed(chunk):
                client.take(await made.feed(block))
        client.take(await made.end())

    asyncio.run(feed())
    return client


def stream(*events: bytes) -> list[bytes]:
    return [joined([one]) for one in events]


END = event({}, finish_reason="stop")


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


# What goes on


def test_no_rule_for_answers_is_no_guard() -> None:
    book = Rulebook.of([a_rule()])

    assert guard_of(a_call("Hi"), book, occasion=ON_ANSWERS) is None
    assert guard_of(a_call("Hi"), None, occasion=ON_ANSWERS) is None


def test_a_rule_that_does_not_hold_now_is_no_guard() -> None:
    book = Rulebook.of([replace(REDACT, assignment="exam")])

    assert guard_of(a_call("Hi"), book, occasion=ON_ANSWERS) is None
    assert guard_of(a_call("Hi"), book, occasion=replace(ON_ANSWERS, assignment="exam")) is not None


def test_no_more_is_held_than_a_match_needs() -> None:
    made, client = guard(REDACT), Client()

    asyncio.run(feed_one(made, client, event({"content": "x" * 500})))

    assert len(client.texts[0, "content"]) == 500 - len(NEEDLE) - MARGIN


async def feed_one(made: Guard, client: Client, one: bytes) -> None:
    client.take(await made.feed(joined([one])))


def test_rules_that_only_take_note_hold_nothing_back() -> None:
    made, client = guard(FLAG), Client()

    asyncio.run(feed_one(made, client, event({"content": "EXAM-12"})))

    assert client.texts[0, "content"] == "EXAM-12"


def test_rules_that_only_take_note_find_what_is_cut() -> None:
    made = guard(FLAG)

    client = run(made, stream(event({"content": "See EXAM-12"}), event({"content": "34."}), END))

    (hit,) = made.hits()
    assert client.texts[0, "content"] == "See EXAM-1234."
    assert (hit.direction, made.recorded.text()[hit.start : hit.end]) == ("answer", NEEDLE)


def test_the_end_waits_for_the_text() -> None:
    usage = b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}'

    client = run(guard(REDACT), stream(event({"content": "Hello"}), usage, END))

    kinds = ["usage" if one.get("usage") else one["choices"][0].get("finish_reason") or "text" for one in client.events]
    assert kinds == ["text", "stop", "usage"]


def test_usage_within_the_last_event_stays_there() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2}

    client = run(guard(REDACT), stream(event({"content": "Hello"}), event({}, finish_reason="stop", usage=usage)))

    assert client.events[-1]["usage"] == usage
    assert client.texts[0, "content"] == "Hello"


def test_unknown_fields_go_through() -> None:
    made = guard(REDACT)

    client = run(made, stream(event({"role": "assistant", "mood": {"is": 3}}, extra=[1, {"a": None}]), END))

    assert client.events[0]["extra"] == [1, {"a": None}]
    assert client.events[0]["choices"][0]["delta"] == {"role": "assistant", "mood": {"is": 3}}


def test_words_that_call_themselves_a_picture_are_redacted() -> None:
    message = {"role": "assistant", "content": f"data:image/png;base64,{NEEDLE}"}
    body = orjson.dumps({"choices": [{"index": 0, "message": message}]})

    made = asyncio.run(guard(REDACT).whole(body))

    assert orjson.loads(made)["choices"][0]["message"]["content"] == "data:image/png;base64,[code]"


def test_text_of_unknown_fields_is_redacted_where_it_is_whole() -> None:
    client = run(guard(REDACT), stream(event({"sources": [{"title": f"On {NEEDLE}"}]}), END))

    assert client.events[0]["choices"][0]["delta"] == {"sources": [{"title": "On [code]"}]}


@pytest.mark.parametrize("key", ["usage", "choices", "x_note"])
def test_text_beside_the_delta_of_a_choice_is_redacted(key: str) -> None:
    chunk = {"choices": [{"index": 0, "delta": {"role": "assistant"}, key: {"note": NEEDLE}}]}

    client = run(guard(REDACT), stream(b"data: " + orjson.dumps(chunk), END))

    assert client.events[0]["choices"][0][key] == {"note": "[code]"}


def test_a_match_that_began_in_an_unknown_field_is_stopped() -> None:
    with pytest.raises(AnswerBlocked):
        run(guard(REDACT), stream(event({"thinking": "EXAM-12"}), event({"thinking": "34"}), END))


def test_text_beside_the_choices_is_looked_at() -> None:
    client = run(guard(REDACT), stream(event({"content": "a"}, citations=[f"{NEEDLE}.pdf"]), END))

    assert client.events[0]["citations"] == ["[code].pdf"]


def test_log_probabilities_do_not_tell() -> None:
    probability = {"content": [{"token": NEEDLE, "logprob": -0.1}]}
    chunk = {"id": "c", "choices": [{"index": 0, "delta": {"content": NEEDLE}, "logprobs": probability}]}

    client = run(guard(REDACT), stream(b"data: " + orjson.dumps(chunk), END))

    assert NEEDLE.encode() not in client.raw


def test_comments_go_through() -> None:
    assert b": keep-alive\n\n" in run(guard(REDACT), [b": keep-alive\n\n", *stream(END)]).raw


def test_the_old_kind_of_call_is_looked_at() -> None:
    events = [
        event({"function_call": {"name": "look", "arguments": '{"a":"EXAM-'}}),
        event({"function_call": {"arguments": '1234"}'}}),
    ]

    client = run(guard(REDACT), stream(*events, event({}, finish_reason="function_call")))

    calls = [one["choices"][0]["delta"].get("function_call") for one in client.events]
    assert {"name": "look", "arguments": '{"a":"[code]"}'} in calls


def test_a_stream_that_ends_without_a_reason_gives_what_was_held() -> None:
    client = run(guard(REDACT), stream(event({"content": f"It is {NEEDLE}"})))

    assert client.texts[0, "content"] == "It is [code]"


def test_a_rule_that_needs_the_whole_answer_waits_for_it() -> None:
    made, client = guard(replace(BLOCK, pattern="begin.*end")), Client()

    asyncio.run(feed_one(made, client, event({"content": "x" * 5_000})))

    assert client.texts[0, "content"] == ""


def test_a_word_boundary_is_that_of_the_whole_text() -> None:
    rule = replace(REDACT, pattern=r"\bcat\b")

    client = run(guard(rule), stream(*(event({"content": letter}) for letter in "con" + "cat cat cats " * 20), END))

    assert client.texts[0, "content"] == "con" + "cat [code] cats " + "[code] [code] cats " * 19


def test_matches_that_follow_one_another_are_cut_as_in_the_whole_text() -> None:
    rule = replace(REDACT, pattern=r"[0-9]{4}", replacement="#")

    client = run(guard(rule), stream(*(event({"content": digit}) for digit in "1234567890" * 9), END))

    assert client.texts[0, "content"] == "#" * 22 + "90"


def test_matches_of_two_rules_that_overlap_are_cut_once() -> None:
    rules = (replace(REDACT, id=1, pattern="abcdef", replacement="1"), replace(REDACT, id=4, pattern="efghijkl"))

    client = run(guard(*rules), stream(*(event({"content": letter}) for letter in "xxabcdefghijklyy" * 10), END))

    assert client.texts[0, "content"] == "xx1yy" * 10


# What is recorded


def test_what_is_recorded_of_a_stopped_answer_is_all_of_it() -> None:
    made = guard(BLOCK)

    with pytest.raises(AnswerBlocked):
        run(made, stream(event({"content": f"So it is {NEEDLE}, as"}), event({"reasoning_content": "Hm."}), END))
    asyncio.run(made.give_up())

    (hit,) = made.hits()
    assert made.recorded.text() == f"So it is {NEEDLE}, asHm."
    assert made.recorded.text()[hit.start : hit.end] == NEEDLE


def test_of_a_stopped_answer_what_other_rules_redact_is_not_recorded() -> None:
    made = guard(replace(BLOCK, pattern="never"), REDACT)

    with pytest.raises(AnswerBlocked):
        run(made, stream(event({"content": f"{NEEDLE} is never told"}), event({"refusal": NEEDLE}), END))
    asyncio.run(made.give_up())

    assert NEEDLE not in made.recorded.text()
    assert made.recorded.text() == "[code] is never told[code]"


def test_a_redacted_place_is_where_its_replacement_is() -> None:
    made = guard(REDACT)

    run(made, stream(*(event({"content": letter}) for letter in f"One {NEEDLE}, two {NEEDLE}."), END))

    assert [made.recorded.text()[hit.start : hit.end] for hit in made.hits()] == ["[code]", "[code]"]


def test_of_several_choices_each_hit_is_found_in_its_own() -> None:
    made = guard(FLAG)

    run(
        made,
        stream(
            event({"content": "Nothing."}),
            event({"content": NEEDLE}, index=1),
            END,
            event({}, index=1, finish_reason="stop"),
        ),
    )

    assert [made.recorded.text()[hit.start : hit.end] for hit in made.hits()] == [NEEDLE]


def test_an_answer_nobody_waits_for_is_recorded_without_what_is_redacted() -> None:
    made = guard(REDACT)

    asyncio.run(feed_one(made, Client(), event({"content": f"It is {NEEDLE} and"})))
    asyncio.run(made.give_up())

    assert made.recorded.text() == "It is [code] and"


# When it cannot be done


class BrokenMatcher(Matcher):
    def found(self, text: str | Folded) -> list[int]:
        raise EngineFailed


def test_an_engine_that_gives_up_lets_nothing_out() -> None:
    book = Rulebook((REDACT,), BrokenMatcher([REDACT.pattern]))
    made = guard_of(a_call("Hi"), book, occasion=ON_ANSWERS)
    assert made is not None

    with pytest.raises(RulesUnavailable):
        run(made, stream(event({"content": NEEDLE}), END))


def test_a_course_that_would_rather_go_unchecked_gets_its_answer() -> None:
    book = Rulebook((REDACT,), BrokenMatcher([REDACT.pattern]), lets_pass=True)
    made = guard_of(a_call("Hi"), book, occasion=ON_ANSWERS)
    assert made is not None

    assert run(made, stream(event({"content": NEEDLE}), END)).texts[0, "content"] == NEEDLE


def test_broken_streams_stay_broken() -> None:
    with pytest.raises(UpstreamBroken):
        run(guard(REDACT), [b'data: {"error": {"message": "no"}}\n\n'])


async def test_a_course_s_wish_holds_for_tool_calls_and_notes_too() -> None:
    book = Rulebook((REDACT, FLAG), BrokenMatcher([REDACT.pattern, FLAG.pattern]), lets_pass=True)
    made = guard_of(a_call("Hi"), book, occasion=ON_ANSWERS)
    assert made is not None
    call = {"tool_calls": [{"index": 0, "function": {"name": "look", "arguments": NEEDLE}}]}

    await made.feed(joined([event({"content": "a"}), event(call)]))

    assert NEEDLE.encode() in await made.end()


async def test_a_tool_call_that_cannot_be_checked_is_not_let_out_and_not_recorded() -> None:
    made = guard_of(a_call("Hi"), Rulebook((REDACT,), BrokenMatcher([REDACT.pattern])), occasion=ON_ANSWERS)
    assert made is not None
    await made.feed(joined([event({"tool_calls": [{"index": 0, "function": {"arguments": NEEDLE}}]})]))

    with pytest.raises(RulesUnavailable):
        await made.end()
    await made.give_up()

    assert made.recorded.text() == ""


async def test_notes_that_cannot_be_taken_do_not_stop_an_answer() -> None:
    made = guard_of(a_call("Hi"), Rulebook((FLAG,), BrokenMatcher([FLAG.pattern])), occasion=ON_ANSWERS)
    assert made is not None

    assert NEEDLE.encode() in await made.feed(joined([event({"content": NEEDLE}), END]))
    assert made.hits() == ()


class GatedMatcher(Matcher):
    """Finds nothing before its gate is opened."""

    def __init__(self, gate: threading.Event) -> None:
        super().__init__([REDACT.pattern])
        self._gate, self.is_asked = gate, threading.Event()

    def found(self, text: str | Folded) -> list[int]:
        self.is_asked.set()
        self._gate.wait()
        return super().found(text)


async def test_what_a_thread_is_still_at_work_on_is_left_to_it() -> None:
    gate = threading.Event()
    matcher = GatedMatcher(gate)
    made = guard_of(a_call("Hi"), Rulebook((REDACT,), matcher), occasion=ON_ANSWERS)
    assert made is not None
    feeding = asyncio.create_task(made.feed(joined([event({"content": "long " * 1_000})])))
    await asyncio.to_thread(matcher.is_asked.wait)

    feeding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await feeding
    last = await made.end()
    await made.give_up()

    assert last == b""
    assert made.recorded.text() == ""
    gate.set()


async def test_long_events_are_looked_at_in_a_thread_with_the_same_outcome() -> None:
    made, client = guard(REDACT), Client()

    client.take(await made.feed(joined([event({"content": f"{'long ' * 1_000}{NEEDLE}"}), END])))

    assert client.texts[0, "content"] == f"{'long ' * 1_000}[code]"


async def test_long_answers_are_stopped_in_a_thread_as_well() -> None:
    with pytest.raises(AnswerBlocked):
        await guard(BLOCK).feed(joined([event({"content": f"{NEEDLE}{'long ' * 1_000}"}), END]))


class PlacedMatcher(Matcher):
    """Says in which threads it was asked."""

    def __init__(self, pattern: str) -> None:
        super().__init__([pattern])
        self.threads: set[str] = set()

    def found(self, text: str | Folded) -> list[int]:
        self.threads.add(threading.current_thread().name)
        return super().found(text)


async def test_what_is_left_of_a_long_answer_is_looked_at_in_a_thread() -> None:
    rule = replace(REDACT, pattern="EXAM.*4")  # which holds everything
    matcher = PlacedMatcher(rule.pattern)
    made = guard_of(a_call("Hi"), Rulebook((rule,), matcher), occasion=ON_ANSWERS)
    assert made is not None
    await made.feed(joined([event({"content": f"{'long ' * 1_000}{NEEDLE}"})]))

    await made.give_up()

    assert made.recorded.text() == f"{'long ' * 1_000}[code]"
    assert threading.current_thread().name not in matcher.threads


async def test_a_long_tool_call_that_came_in_short_pieces_is_looked_at_in_a_thread() -> None:
    matcher = PlacedMatcher(REDACT.pattern)
    made = guard_of(a_call("Hi"), Rulebook((REDACT,), matcher), occasion=ON_ANSWERS)
    assert made is not None
    for piece in [*["long "] * 1_000, NEEDLE]:
        await made.feed(joined([event({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})]))

    out = await made.feed(joined([END]))

    assert b"[code]" in out
    assert threading.current_thread().name not in matcher.threads


# Odd events


def test_text_that_comes_with_the_end_comes_before_it() -> None:
    client = run(guard(REDACT), stream(event({"content": f"{'long ' * 50}{NEEDLE}"}, finish_reason="stop")))

    assert client.texts[0, "content"] == f"{'long ' * 50}[code]"
    assert client.events[-1]["choices"][0] == {"index": 0, "delta": {}, "finish_reason": "stop"}


def test_log_probabilities_of_the_end_are_left_out() -> None:
    chunk = {"choices": [{"index": 0, "delta": {}, "logprobs": {"content": [NEEDLE]}, "finish_reason": "stop"}]}

    assert run(guard(REDACT), stream(b"data: " + orjson.dumps(chunk))).events[0]["choices"][0]["logprobs"] is None


def test_a_tool_call_stops_the_answer_and_is_recorded_with_those_behind_it() -> None:
    calls = [
        {"index": n, "function": {"name": f"f{n}", "arguments": text}} for n, text in enumerate([NEEDLE, NEEDLE, "{}"])
    ]
    made = guard(BLOCK)

    with pytest.raises(AnswerBlocked):
        run(made, stream(event({"tool_calls": calls}), event({}, finish_reason="tool_calls")))
    asyncio.run(made.give_up())

    assert made.recorded.text() == f"[f0] {NEEDLE}[f1] {NEEDLE}[f2] {{}}"


def test_unknown_fields_stop_an_answer_too() -> None:
    with pytest.raises(AnswerBlocked):
        run(guard(BLOCK), stream(event({"sources": [NEEDLE]}), END))


def test_an_answer_nobody_waits_for_is_recorded_although_it_would_have_been_stopped() -> None:
    made = guard(BLOCK)

    asyncio.run(feed_one(made, Client(), event({"content": NEEDLE, "reasoning_content": "Hm."})))
    asyncio.run(made.give_up())

    assert sorted(made.recorded.text()) == sorted(f"{NEEDLE}Hm.")
    assert [hit.rule for hit in made.hits()] == [BLOCK]


def test_rules_that_act_are_noted_once_where_others_take_note() -> None:
    made = guard(REDACT, FLAG)

    run(made, stream(event({"content": f"See {NEEDLE}"}), END))

    assert sorted(hit.rule.id for hit in made.hits()) == [1, 3]


def test_pieces_of_a_call_that_say_nothing_change_nothing() -> None:
    pieces = [
        {"index": 0, "id": "a", "function": None},
        {"index": 0, "id": None, "function": {"name": "look", "arguments": None}},
        {"index": 0, "function": {"arguments": "{}"}},
    ]

    client = run(guard(REDACT), stream(*(event({"tool_calls": [piece]}) for piece in pieces), END))

    (sent,) = [one for one in client.events if one["choices"][0]["delta"].get("tool_calls")]
    assert sent["choices"][0]["delta"]["tool_calls"] == [
        {"index": 0, "id": "a", "function": {"name": "look", "arguments": "{}"}}
    ]


def test_what_is_no_text_in_the_place_of_one_is_looked_at_whole() -> None:
    content = [{"type": "note", "note": NEEDLE}]

    client = run(guard(REDACT), stream(event({"content": content}), END))

    assert client.events[0]["choices"][0]["delta"]["content"] == [{"type": "note", "note": "[code]"}]


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
