"""What is recorded of a guarded answer, and what happens when it cannot be checked."""

import asyncio
import threading
from dataclasses import replace

import pytest

from apps.chat.guardrails.notices import AnswerBlocked
from apps.chat.guardrails.streams import guard_of
from apps.chat.guardrails.workers import RulesUnavailable
from apps.common.sse import joined
from apps.providers.adapters.protocol import UpstreamBroken
from apps.rules.engine.matcher import EngineFailed, Folded, Matcher
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
from tests.chat.unit.values import a_call

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
