"""Rulebooks: what the compiled rules of a course say of a prompt."""

from collections.abc import Sequence
from typing import Any

import pytest

from apps.rules.engine.matcher import MAX_SPANS
from apps.rules.rulebook import NO_RULES, CompiledRule, Hit, Rulebook, Verdict


def a_rule(**overrides: Any) -> CompiledRule:
    values = {
        "id": 1,
        "name": "rule",
        "pattern": "home",
        "action": "block",
        "stage": "enforce",
        "priority": 0,
        "message": "No.",
        "guidance": "",
    }
    return CompiledRule(**{**values, **overrides})


def verdict(*rules: CompiledRule) -> Verdict:
    """Each of these rules found once, in this order."""
    return Verdict(tuple(Hit(rule, 0, 0, 1) for rule in rules))


def blocking(id: int, **overrides: Any) -> CompiledRule:
    return a_rule(id=id, **overrides)


def guiding(id: int, guidance: str, **overrides: Any) -> CompiledRule:
    return a_rule(id=id, action="guide", guidance=guidance, **overrides)


# The verdict

BLOCKS: list[tuple[Sequence[CompiledRule], int | None]] = [
    ([], None),
    ([blocking(1)], 1),
    ([blocking(1), blocking(2)], 1),
    ([blocking(1), blocking(2, priority=5)], 2),
    ([blocking(1, priority=-1), blocking(2, priority=-5)], 1),
    ([blocking(1, stage="observe")], None),
    ([blocking(1, stage="warn")], None),
    ([blocking(1, stage="warn", priority=9), blocking(2)], 2),
    ([guiding(1, "x", priority=9), blocking(2)], 2),
    ([guiding(1, "x")], None),
]


@pytest.mark.parametrize(("rules", "speaker"), BLOCKS)
def test_of_the_blocking_rules_that_are_enforced_the_highest_speaks(
    rules: Sequence[CompiledRule], speaker: int | None
) -> None:
    block = verdict(*rules).block

    assert (block.id if block else None) == speaker


GUIDANCE: list[tuple[Sequence[CompiledRule], tuple[str, ...]]] = [
    ([], ()),
    ([guiding(1, "a"), guiding(2, "b")], ("a", "b")),
    ([guiding(1, "a"), guiding(2, "b", priority=1)], ("b", "a")),
    ([guiding(1, "a"), guiding(2, "a"), guiding(1, "a")], ("a",)),
    ([guiding(1, "a", stage="observe"), guiding(2, "b", stage="warn")], ()),
    ([blocking(1, guidance="a")], ()),
]


@pytest.mark.parametrize(("rules", "guidance"), GUIDANCE)
def test_guidance_is_given_once_and_in_order_of_priority(
    rules: Sequence[CompiledRule], guidance: tuple[str, ...]
) -> None:
    assert verdict(*rules).guidance == guidance


def test_students_are_told_of_rules_that_warn_or_act() -> None:
    rules = [blocking(4, stage="warn"), blocking(2, stage="observe"), guiding(3, "x"), blocking(4, stage="warn")]

    assert verdict(*rules).announced == (4, 3)


def test_where_nothing_is_found_nothing_is_done() -> None:
    assert (NO_RULES.block, NO_RULES.guidance, NO_RULES.announced) == (None, (), ())


# Looking

STAGES = ["observe", "warn", "enforce"]


@pytest.mark.parametrize("stage", STAGES)
def test_a_rule_is_found_at_every_stage_but_draft(stage: str) -> None:
    book = Rulebook.of([a_rule(stage=stage)])

    assert len(book.screen(["at home"]).hits) == 1


def test_a_hit_says_where_it_was_found() -> None:
    one, two = a_rule(id=1, pattern="home"), a_rule(id=2, pattern="wo+rk")
    book = Rulebook.of([one, two])

    hits = book.screen(["nothing", "homework, home", "wooork"]).hits

    assert hits == (Hit(one, 1, 0, 4), Hit(one, 1, 10, 14), Hit(two, 1, 4, 8), Hit(two, 2, 0, 6))


def test_positions_count_characters_not_bytes() -> None:
    text = "äö👋 home"

    (hit,) = Rulebook.of([a_rule()]).screen([text]).hits

    assert text[hit.start : hit.end] == "home"


def test_no_parts_have_no_hits() -> None:
    assert Rulebook.of([a_rule()]).screen([]).hits == ()


def test_a_book_without_rules_finds_nothing() -> None:
    assert Rulebook.of([]).screen(["home"]) == NO_RULES


def test_a_rule_that_is_found_everywhere_is_recorded_a_bounded_number_of_times() -> None:
    """Every hit becomes a row: one request must not become a hundred thousand."""
    book = Rulebook.of([a_rule(id=1, pattern="a"), a_rule(id=2, pattern="b")])

    hits = book.screen(["ab" * 100] * 1000).hits

    assert [sum(hit.rule.id == id for hit in hits) for id in (1, 2)] == [MAX_SPANS, MAX_SPANS]


def test_of_many_hits_those_in_the_latest_messages_are_recorded() -> None:
    hits = Rulebook.of([a_rule(pattern="a")]).screen(["a" * 100, "a" * 15, "b", "a" * 4]).hits

    assert [hit.part for hit in hits] == [0] + [1] * 15 + [3] * 4
