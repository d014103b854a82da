"""Rules of the institution are part of every rulebook, and a course may prefer an unchecked answer to none."""

import pytest

from apps.accounts.models import Course
from apps.rules.models import Rule, RuleException, RuleSettings
from apps.rules.rulebook import Rulebook
from apps.rules.schedules import Schedule
from apps.rules.snapshot import ALL_COURSES, Rulebooks
from tests import factories

pytestmark = pytest.mark.django_db
BROKEN = "("


def institution_rule(**overrides: object) -> Rule:
    values = {"course": None, "name": "keys", "pattern": "sk-", "message": "No keys.", "stage": "enforce"}
    return Rule.objects.create(**{**values, **overrides})


def lenient(course: Course) -> None:
    RuleSettings.objects.create(course=course, on_failure="let_pass")


def loaded(course: Course | None) -> Rulebook | None:
    return Rulebooks().load()[course.pk if course else ALL_COURSES]


def names(book: Rulebook | None) -> list[str]:
    assert book is not None
    return [rule.name for rule in book.rules]


def test_they_are_in_the_book_of_every_course_and_in_that_of_all_others(course: Course) -> None:
    institution_rule()
    factories.make_rule(course=course, name="own")

    assert names(loaded(course)) == ["keys", "own"]
    assert names(loaded(None)) == ["keys"]


def test_priority_counts_across_both(course: Course) -> None:
    institution_rule()
    factories.make_rule(course=course, name="own", priority=5)

    assert names(loaded(course)) == ["own", "keys"]


def test_without_them_there_is_no_book_for_all(course: Course) -> None:
    factories.make_rule(course=course)

    assert ALL_COURSES not in Rulebooks().load()


def test_the_institution_and_a_course_may_have_rules_of_one_name(course: Course) -> None:
    institution_rule(name="same")
    factories.make_rule(course=course, name="same")

    assert names(loaded(course)) == ["same", "same"]


def test_a_rule_is_loaded_with_its_window_and_exceptions(course: Course) -> None:
    rule = factories.make_rule(course=course, weekdays="01", assignment="lab-1")
    RuleException.objects.create(rule=rule, text="solve my homework")

    book = loaded(course)

    assert book is not None
    (compiled,) = book.rules
    assert (compiled.schedule, compiled.assignment) == (Schedule(weekdays="01"), "lab-1")
    assert compiled.exceptions == {"solve my homework"}
    assert not book.screen(["SOLVE my  homework"]).hits


def test_an_exception_is_only_of_these_words(course: Course) -> None:
    rule = factories.make_rule(course=course, pattern="(?i)(please )?solve my homework")
    RuleException.objects.create(rule=rule, text="solve my homework")

    book = loaded(course)

    assert book is not None
    assert [hit.start for hit in book.screen(["solve my homework. Please solve my homework"]).hits] == [19]


# When rules cannot be looked at


def test_a_course_refuses_unless_it_says_otherwise(course: Course) -> None:
    factories.make_rule(course=course, pattern=BROKEN)

    assert loaded(course) is None


def test_a_course_that_would_rather_answer_does(course: Course) -> None:
    factories.make_rule(course=course, pattern=BROKEN)
    lenient(course)

    book = loaded(course)

    assert book is not None
    assert (book.rules, book.lets_pass) == ((), True)


def test_the_wish_is_part_of_a_book_that_compiles_too(course: Course) -> None:
    factories.make_rule(course=course)
    loader = Rulebooks()
    assert not loader.load()[course.pk].lets_pass  # type: ignore[union-attr]

    lenient(course)

    assert loader.load()[course.pk].lets_pass  # type: ignore[union-attr]


def test_a_rule_of_the_institution_is_never_let_pass(course: Course) -> None:
    institution_rule()
    factories.make_rule(course=course, pattern=BROKEN)
    lenient(course)

    assert loaded(course) is None
