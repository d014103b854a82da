"""Rulebooks as they are loaded from the database."""

import gc
import logging
import weakref
from collections.abc import Mapping

import pytest

from apps.accounts.models import Course
from apps.rules.engine.compiled import prepared
from apps.rules.models import Rule
from apps.rules.rulebook import NO_RULES, CompiledRule, Rulebook
from apps.rules.snapshot import ROWS, Rulebooks, rulebooks
from tests import factories

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
