"""Rulebooks: what the compiled rules of a course say of a prompt."""

import gc
import logging
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from apps.accounts.models import Course
from apps.rules.engine.compiled import prepared
from apps.rules.engine.matcher import MAX_SPANS
from apps.rules.models import Rule
from apps.rules.rulebook import NO_RULES, CompiledRule, Hit, Rulebook, Verdict
from apps.rules.snapshot import ROWS, Rulebooks, rulebooks
from tests import factories


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


# Loading

pytest_db = pytest.mark.django_db


def book_of(books: Mapping[int, Rulebook | None], course: Course) -> Rulebook:
    book = books[course.pk]
    assert book is not None
    return book


@pytest_db
def test_rules_are_loaded_by_course_in_order_of_priority(course: Course) -> None:
    other = factories.make_course()
    for name, priority in (("low", -1), ("b", 0), ("a", 0), ("high", 5)):
        factories.make_rule(course=course, name=name, priority=priority)
    factories.make_rule(course=other, name="other")

    books = Rulebooks().load()

    assert [rule.name for rule in book_of(books, course).rules] == ["high", "a", "b", "low"]
    assert [rule.name for rule in book_of(books, other).rules] == ["other"]


@pytest_db
def test_drafts_are_left_out(course: Course) -> None:
    factories.make_rule(course=course, stage=Rule.Stage.DRAFT)

    assert course.pk not in Rulebooks().load()


@pytest_db
def test_a_rule_is_loaded_with_all_that_it_says(course: Course) -> None:
    rule = factories.make_rule(course=course, priority=3, guidance="Hint.", stage="warn")

    (compiled,) = book_of(Rulebooks().load(), course).rules

    assert compiled == CompiledRule(
        id=rule.pk,
        name=rule.name,
        pattern=rule.pattern,
        action="block",
        stage="warn",
        priority=3,
        message=rule.message,
        guidance="Hint.",
        version=1,
    )


@pytest_db
def test_a_rulebook_that_did_not_change_is_used_again(course: Course) -> None:
    changed, unchanged = course, factories.make_course()
    for each in (changed, unchanged):
        factories.make_rule(course=each)
    loader = Rulebooks()
    before = loader.load()

    Rule.objects.filter(course=changed).update(message="Other.")
    after = loader.load()

    assert book_of(after, unchanged) is book_of(before, unchanged)
    assert book_of(after, changed) is not book_of(before, changed)
    assert book_of(after, changed).rules[0].message == "Other."


@pytest_db
def test_a_rule_that_was_edited_is_replaced_and_the_others_are_not_compiled_again(course: Course) -> None:
    edited = factories.make_rule(course=course, pattern="teh word")
    factories.make_rule(course=course, pattern=r"another\s+word")
    loader = Rulebooks()
    loader.load()
    other = prepared(r"another\s+word")
    forgotten = weakref.ref(prepared("teh word"))

    Rule.objects.filter(pk=edited.pk).update(pattern="the word")
    book = book_of(loader.load(), course)
    gc.collect()

    assert prepared(r"another\s+word") is other
    assert forgotten() is None
    assert book.screen(["teh word"]) == NO_RULES
    assert [hit.rule.id for hit in book.screen(["the word"]).hits] == [edited.pk]
    assert book.screen(["another word"]).hits


@pytest_db
def test_a_call_that_began_before_an_edit_keeps_the_rules_that_it_began_with(course: Course) -> None:
    rule = factories.make_rule(course=course, pattern="before")
    loader = Rulebooks()
    begun = book_of(loader.load(), course)

    Rule.objects.filter(pk=rule.pk).update(pattern="after")
    loader.load()

    assert begun.screen(["before"]).hits
    assert begun.screen(["after"]) == NO_RULES


@pytest_db
def test_rules_are_all_loaded_however_many_there_are(course: Course) -> None:
    for number in range(ROWS + 1):
        factories.make_rule(course=course, pattern=f"word{number:03}")

    book = book_of(Rulebooks().load(), course)

    assert len(book.rules) == ROWS + 1
    assert len(book.screen([f"word000 and word{ROWS:03}"]).hits) == 2


@pytest_db
def test_a_course_whose_last_rule_went_has_no_rulebook(course: Course) -> None:
    factories.make_rule(course=course)
    loader = Rulebooks()
    loader.load()

    Rule.objects.filter(course=course).delete()

    assert course.pk not in loader.load()


@pytest_db
def test_rules_that_do_not_compile_leave_the_previous_ones_in_force(
    course: Course, caplog: pytest.LogCaptureFixture
) -> None:
    factories.make_rule(course=course, pattern="home")
    loader = Rulebooks()
    before = loader.load()

    factories.make_rule(course=course, pattern="(broken")
    with caplog.at_level(logging.ERROR):
        after = loader.load()

    assert book_of(after, course) is book_of(before, course)
    assert f"course {course.pk}" in caplog.text


@pytest_db
def test_rules_that_never_compiled_are_no_rulebook_rather_than_an_empty_one(course: Course) -> None:
    factories.make_rule(course=course, pattern="(broken")

    assert Rulebooks().load()[course.pk] is None


@pytest_db
def test_a_course_whose_rules_are_broken_does_not_hinder_others(course: Course) -> None:
    other = factories.make_course()
    factories.make_rule(course=course, pattern="(broken")
    factories.make_rule(course=other, pattern="home")

    books = Rulebooks().load()

    assert book_of(books, other).screen(["home"]).block is not None


@pytest_db
def test_rules_that_are_mended_are_in_force_again(course: Course) -> None:
    rule = factories.make_rule(course=course, pattern="(broken")
    loader = Rulebooks()
    loader.load()

    Rule.objects.filter(pk=rule.pk).update(pattern="mended")

    assert book_of(loader.load(), course).screen(["mended"]).block is not None


@pytest_db
def test_the_snapshot_loads_the_rulebooks(course: Course) -> None:
    factories.make_rule(course=course)
    snapshot = rulebooks()

    snapshot.refresh(1)

    assert course.pk in snapshot.current
