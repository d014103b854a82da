"""What a guard holds back of a stream, what it lets through, and odd events."""

import asyncio
from dataclasses import replace

import orjson
import pytest

from apps.chat.guardrails.holdback import MARGIN
from apps.chat.guardrails.notices import AnswerBlocked
from apps.chat.guardrails.streams import guard_of
from apps.rules.rulebook import Rulebook
from tests.chat.unit.guards import (
    BLOCK,
    END,
    FLAG,
    NEEDLE,
    ON_ANSWERS,
    REDACT,
    Client,
    event,
    feed_one,
    guard,
    run,
    stream,
)
from tests.chat.unit.values import a_call, a_rule

# What goes on


def test_no_rule_for_answers_is_no_guard() -> None:
    book = Rulebook.of([a_rule()])

    assert guard_of(a_call("Hi"), book, occasion=ON_ANSWERS) is None
    assert guard_of(a_call("Hi"), None, occasion=ON_ANSWERS) is None


def test_a_rule_that_does_not_hold_now_is_no_guard() -> None:
    book = Rulebook.of([replace(REDACT, assignment="exam")])

    assert guard_of(a_call("Hi"), book, occasion=ON_ANSWERS) is None
    assert guard_of(a_call("Hi"), book, occasion=ON_ANSWERS._replace(assignment="exam")) is not None


def test_no_more_is_held_than_a_match_needs() -> None:
    made, client = guard(REDACT), Client()

    asyncio.run(feed_one(made, client, event({"content": "x" * 500})))

    assert len(client.texts[0, "content"]) == 500 - len(NEEDLE) - MARGIN


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
