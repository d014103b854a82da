"""Rules at work on a prompt."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from apps.chat.call import ChatCall
from apps.chat.dialects.openai_chat.request import with_guidance
from apps.chat.guardrails.notices import headers, refusal
from apps.chat.guardrails.prompts import screen as screened
from apps.chat.guardrails.workers import THREAD_ABOVE, RulesUnavailable
from apps.rules.engine.matcher import EngineFailed, Folded, Matcher, Span
from apps.rules.rulebook import NO_RULES, CompiledRule, Hit, Occasion, Rulebook, Verdict
from tests.chat.unit.values import NOW, a_call, a_principal, a_rule

BLOCK = a_rule()
ASKED = Occasion(direction="prompt", now=NOW, timezone="UTC")


async def screen(call: ChatCall, books: Mapping[int | None, Rulebook | None], occasion: Occasion = ASKED) -> Verdict:
    return (await screened(call, books, occasion=occasion)).verdict


def books(*rules: CompiledRule) -> Mapping[int | None, Rulebook | None]:
    return {3: Rulebook.of(rules)}


def verdict(*found: tuple[CompiledRule, int]) -> Verdict:
    """These rules, each found in the message at that position."""
    return Verdict(tuple(Hit(rule, part, 0, 1) for rule, part in found))


class WatchedMatcher(Matcher):
    """Remembers in which thread it was asked."""

    def found(self, text: str | Folded) -> list[int]:
        self.thread = threading.current_thread()
        return super().found(text)

    def finds_nothing(self, texts: Sequence[str]) -> bool:
        self.thread = threading.current_thread()
        return super().finds_nothing(texts)


class BrokenMatcher(Matcher):
    """An engine that gives up, while looking or while locating what it found."""

    def __init__(self, *, breaks_at: str) -> None:
        super().__init__(["homework"])
        self._breaks_at = breaks_at

    def found(self, text: str | Folded) -> list[int]:
        if self._breaks_at == "found":
            raise EngineFailed
        return super().found(text)

    def spans(self, position: int, text: str | Folded, *, start: int = 0, most: int = 20) -> list[Span]:
        raise EngineFailed


# The verdict


async def test_every_message_is_looked_at() -> None:
    found = await screen(a_call("my homework", "no", "homework, homework"), books(BLOCK))

    assert [(hit.part, hit.start, hit.end) for hit in found.hits] == [(0, 3, 11), (2, 0, 8), (2, 10, 18)]


async def test_a_course_without_rules_lets_everything_pass() -> None:
    assert await screen(a_call("homework"), {}) == NO_RULES


async def test_other_courses_rules_do_not_count() -> None:
    call = a_call("homework", principal=a_principal(course_id=4))

    assert await screen(call, books(BLOCK)) == NO_RULES


async def test_rules_that_cannot_be_looked_at_let_nothing_pass() -> None:
    with pytest.raises(RulesUnavailable) as caught:
        await screen(a_call("harmless"), {3: None})

    assert (caught.value.status, caught.value.code, caught.value.who) == (503, "rules_unavailable", "operator")


@pytest.mark.parametrize("breaks_at", ["found", "spans"])
async def test_an_engine_that_gives_up_lets_nothing_pass(breaks_at: str) -> None:
    with pytest.raises(RulesUnavailable):
        await screen(a_call("homework"), {3: Rulebook((BLOCK,), BrokenMatcher(breaks_at=breaks_at))})


@pytest.mark.parametrize(("length", "is_in_thread"), [(THREAD_ABOVE, False), (THREAD_ABOVE + 1, True)])
async def test_long_texts_are_looked_at_in_a_thread(length: int, is_in_thread: bool) -> None:
    matcher = WatchedMatcher(["homework"])

    await screen(a_call("x" * length, size=length), {3: Rulebook((BLOCK,), matcher)})

    assert (matcher.thread is not threading.current_thread()) == is_in_thread


async def test_in_a_thread_the_verdict_is_the_same() -> None:
    found = await screen(a_call("x" * THREAD_ABOVE + "homework", size=THREAD_ABOVE + 8), books(BLOCK))

    assert found.block == BLOCK


# The refusal


def test_a_refusal_says_the_instructor_s_sentence() -> None:
    error = refusal(BLOCK, verdict((BLOCK, 0)), last=0, param="messages")

    assert error.message == "Ask for a hint instead."
    assert (error.status, error.code, error.param) == (400, "blocked_by_rule", "messages")


def test_a_refusal_names_rules_by_id_alone() -> None:
    other = a_rule(id=7, name="secret-name", stage="warn")

    error = refusal(BLOCK, verdict((BLOCK, 0), (other, 0)), last=0, param="messages")

    assert error.details["rules"] == [1, 7]
    assert "secret-name" not in error.json(request_id="x").decode()
    assert (error.headers["x-gateway-rules"], error.headers["x-should-retry"]) == ("1,7", "false")
    assert b"secret-name" not in error.json(request_id="r")


OTHER = a_rule(id=2)


@pytest.mark.parametrize(
    ("found", "is_earlier"),
    [
        ([(BLOCK, 2)], False),
        ([(BLOCK, 0)], True),
        ([(BLOCK, 1)], True),
        ([(BLOCK, 0), (BLOCK, 2)], False),
        ([(BLOCK, 0), (OTHER, 2)], True),
        ([(OTHER, 0), (BLOCK, 2)], False),
    ],
)
def test_a_hit_only_in_earlier_messages_is_explained(found: list[tuple[CompiledRule, int]], is_earlier: bool) -> None:
    error = refusal(BLOCK, verdict(*found), last=2, param="messages")

    assert error.message.startswith("Ask for a hint instead.")
    assert ("Start a new conversation" in error.message) == is_earlier


# The header


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        ([], {}),
        (["observe"], {}),
        (["warn"], {"x-gateway-rules": "1"}),
        (["enforce", "observe", "warn"], {"x-gateway-rules": "1,3"}),
    ],
)
def test_the_header_names_the_rules_that_students_are_told_about(stages: list[str], expected: dict[str, str]) -> None:
    found = verdict(*((a_rule(id=number, stage=stage), 0) for number, stage in enumerate(stages, start=1)))

    assert {name: value for name, value in headers(found).items() if name == "x-gateway-rules"} == expected


def test_the_header_names_a_rule_once() -> None:
    assert headers(verdict((BLOCK, 0), (BLOCK, 0), (BLOCK, 1))) == {"x-gateway-rules": "1"}


# Guidance


def roles(messages: list[dict[str, Any]]) -> str:
    return " ".join(f"{message['role'][0]}{message['content']}" for message in messages)


def messages(text: str) -> list[dict[str, Any]]:
    """`s1 u2`: a system message 1 and a user's message 2."""
    names = {"s": "system", "d": "developer", "u": "user", "a": "assistant"}
    return [{"role": names[word[0]], "content": word[1:]} for word in text.split()]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("u1", "sG u1"),
        ("s1 u2", "s1 sG u2"),
        ("s1 d2 s3 u4", "s1 d2 s3 sG u4"),
        ("u1 s2 u3", "u1 s2 sG u3"),
        ("s1 u2 a3 s4 u5", "s1 u2 a3 s4 sG u5"),
        ("u1 a2 d3", "u1 a2 d3 sG"),
        ("s1", "s1 sG"),
    ],
)
def test_guidance_comes_behind_the_client_s_own_system_messages(before: str, after: str) -> None:
    assert roles(with_guidance(messages(before), ("G",))) == after


def test_several_guidances_keep_their_order() -> None:
    assert roles(with_guidance(messages("s1 u2"), ("G", "H"))) == "s1 sG sH u2"


def test_without_guidance_the_messages_are_as_they_were() -> None:
    before = messages("s1 u2")

    assert with_guidance(before, ()) is before


def test_guidance_leaves_the_client_s_own_messages_alone() -> None:
    before = messages("s1 u2")

    with_guidance(before, ("G",))

    assert before == messages("s1 u2")


async def test_a_guidance_is_given_once_however_often_its_rules_are_found() -> None:
    rules = [
        a_rule(id=n, action="guide", guidance="Give hints only.", pattern=p) for n, p in enumerate(("home", "work"))
    ]

    found = await screen(a_call("homework homework", "", "homework"), books(*rules))

    assert found.guidance == ("Give hints only.",)
