"""What is left of a request when rules have taken something out."""

import json
from base64 import b64encode
from typing import Any

import pytest

from apps.chat.guardrails.notices import refusal
from apps.chat.guardrails.prompts import Screened, look
from apps.rules.cuts import Cut, moved
from apps.rules.engine.matcher import EngineFailed
from apps.rules.rulebook import MOST_REDACTED, CompiledRule, Occasion, Rulebook
from tests.chat.unit.values import NOW, a_call, a_rule

ASKED = Occasion(direction="prompt", now=NOW, timezone="UTC")
REDACT = a_rule(id=1, action="redact", pattern="secret[0-9]?", replacement="[x]", message="")


def screened(messages: Any, *rules: CompiledRule, **fields: Any) -> Screened:
    body = {"model": "m", "messages": messages, **fields}
    return look(Rulebook.of(rules or (REDACT,)), a_call("Hi", body=body), ASKED)


def user(content: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": content}]


def called(arguments: str) -> list[dict[str, Any]]:
    return [{"role": "assistant", "content": None, "tool_calls": [{"id": "a", "function": {"arguments": arguments}}]}]


def arguments_of(left: Screened) -> str:
    text: str = left.call.body["messages"][0]["tool_calls"][0]["function"]["arguments"]
    return text


def test_the_body_and_the_messages_are_redacted() -> None:
    left = screened(user("a secret and secret1"))

    assert left.call.body["messages"] == user("a [x] and [x]")
    assert [message.text for message in left.call.messages] == ["a [x] and [x]"]


def test_the_call_that_came_in_is_as_it_was() -> None:
    call = a_call("Hi", body={"model": "m", "messages": user("secret")})

    look(Rulebook.of([REDACT]), call, ASKED)

    assert call.body["messages"] == user("secret")


def test_the_hits_point_to_what_stands_there_now() -> None:
    left = screened(user("secret1, secret2"))

    assert [(hit.start, hit.end) for hit in left.verdict.hits] == [(0, 3), (5, 8)]


def test_hits_of_other_rules_move_with_the_text() -> None:
    left = screened(user("secret1 home"), REDACT, a_rule(id=2, action="flag", pattern="home"))

    text = left.call.messages[0].text
    assert [text[hit.start : hit.end] for hit in left.verdict.hits] == ["[x]", "home"]


@pytest.mark.parametrize(("priorities", "expected"), [((1, 0), "[1]"), ((0, 1), "[2]"), ((0, 0), "[1]")])
def test_places_that_overlap_are_replaced_once_by_the_higher_rule(priorities: tuple[int, int], expected: str) -> None:
    rules = [
        a_rule(id=n, action="redact", pattern=p, replacement=f"[{n}]", priority=priority)
        for n, p, priority in zip((1, 2), ("abcd", "cdef"), priorities, strict=True)
    ]

    assert screened(user("xabcdefx"), *rules).call.messages[0].text == f"x{expected}x"


@pytest.mark.parametrize("stage", ["observe", "warn"])
def test_only_enforced_rules_redact(stage: str) -> None:
    left = screened(user("secret"), a_rule(action="redact", pattern="secret", stage=stage))

    assert left.call.body["messages"] == user("secret")
    assert len(left.verdict.hits) == 1


def test_a_match_over_parts_is_redacted_in_each() -> None:
    left = screened(user([{"type": "text", "text": "my sec"}, {"type": "text", "text": "ret1 is"}]))

    assert [part["text"] for part in left.call.body["messages"][0]["content"]] == ["my [x]", "[x] is"]


def test_a_match_over_messages_is_redacted_in_each() -> None:
    left = screened([*user("my sec"), *user("ret1 is")])

    assert [message.text for message in left.call.messages] == ["my [x]", "[x] is"]


def test_the_user_s_messages_are_not_joined_over_an_answer() -> None:
    messages = [*user("sec"), {"role": "assistant", "content": "Yes?"}, *user("ret1")]

    assert not screened(messages).verdict.hits


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ('{"a": "my secret", "b": 1}', '{"a": "my [x]", "b": 1}'),
        (r'{"a": "s\u0065cret\n"}', r'{"a": "[x]\n"}'),
        (r'{"s\u0065cret": [1.50]}', '{"[x]": [1.50]}'),
        ("no JSON, but secret", "no JSON, but [x]"),
    ],
)
def test_arguments_stay_the_json_that_they_were(arguments: str, expected: str) -> None:
    assert arguments_of(screened(called(arguments))) == expected


def test_a_replacement_is_written_so_that_json_can_be_read() -> None:
    rule = a_rule(action="redact", pattern="secret", replacement='"no"\\')

    left = screened(called('{"a": "secret"}'), rule)

    assert json.loads(arguments_of(left)) == {"a": '"no"\\'}


def test_what_would_break_json_is_refused() -> None:
    rule = a_rule(action="redact", pattern='x": "secret', replacement="[x]", message="No.")

    left = screened(called('{"x": "secret"}'), rule)

    assert left.verdict.block is rule
    assert "secret" not in left.call.messages[0].text


@pytest.mark.parametrize("fields", [{"metadata": {"secret": "secret"}}, {"secret": {"a": ["secret"]}}])
def test_what_cannot_be_changed_is_refused_and_nothing_of_it_is_left(fields: dict[str, Any]) -> None:
    left = screened(user("Hi"), REDACT, **fields)

    assert left.verdict.block is REDACT
    assert "secret" not in json.dumps(left.call.body)


def test_what_stands_beside_the_messages_counts_as_new() -> None:
    left = screened([*user("a"), *user("b")], REDACT, user="secret")

    assert [(hit.part, hit.start, hit.end) for hit in left.verdict.hits] == [(1, 0, 0)]
    assert left.call.body["user"] == "[x]"


def test_a_rule_is_recorded_so_often_and_redacts_everywhere() -> None:
    left = screened(user("secret " * 100))

    assert len(left.verdict.hits) == 20
    assert "secret" not in left.call.messages[0].text


def test_too_much_to_redact_is_not_let_pass() -> None:
    with pytest.raises(EngineFailed):
        screened(user("secret " * (MOST_REDACTED + 1)))


def test_many_messages_are_redacted_at_once() -> None:
    left = screened([{"role": "user" if n % 2 else "assistant", "content": f"secret {n}"} for n in range(2_000)])

    assert all(message.text.startswith("[x]") for message in left.call.messages)


def test_an_attached_text_that_cannot_be_changed_goes_whole() -> None:
    attached = f"data:text/plain;base64,{b64encode(b'my secret').decode()}"

    left = screened(user("Hi"), REDACT, stop=[attached, "."])

    assert left.verdict.block is REDACT
    assert left.call.body["stop"] == ["[x]", "."]


def test_a_refusal_says_that_it_could_not_be_taken_out() -> None:
    left = screened(user("Hi"), REDACT, metadata={"secret": "a"})

    assert "cannot be replaced" in refusal(REDACT, left.verdict, last=0, param="messages").message


def test_what_is_not_shown_has_a_place_of_no_length() -> None:
    left = screened([{"role": "user", "content": "Hi", "name": "secret"}])

    assert [(hit.part, hit.start, hit.end) for hit in left.verdict.hits] == [(0, 0, 0)]
    assert left.call.body["messages"][0]["name"] == "[x]"


def test_what_stands_before_a_cut_stays_where_it_was() -> None:
    cut = [Cut(5, 8, "[long]")]

    assert [moved(place, cut) for place in (0, 4, 5, 6, 8, 9)] == [0, 4, 5, 5, 11, 12]
    assert [moved(place, cut, is_end=True) for place in (5, 6, 8, 9)] == [5, 11, 11, 12]
