"""The compiled rules of a course, and what they say."""

import pytest

from apps.accounts.models import Course
from apps.rules.models import Rule
from apps.rules.rulebook import Rulebook, Rulebooks, Verdict
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def books() -> Rulebooks:
    return Rulebooks()


def book(books: Rulebooks, course: Course) -> Rulebook:
    found = books.load()[course.pk]
    assert found is not None
    return found


def names(verdict: Verdict) -> list[str]:
    return [hit.rule.name for hit in verdict.hits]


def test_every_hit_tells_the_part_and_the_place(course: Course, books: Rulebooks) -> None:
    factories.make_rule(course=course, name="cat", pattern="cat")

    verdict = book(books, course).screen(["a cat", "no", "cat and cat"])

    assert [(hit.part, hit.start, hit.end) for hit in verdict.hits] == [(0, 2, 5), (2, 0, 3), (2, 8, 11)]


def test_of_enforced_blocks_the_highest_priority_speaks(course: Course, books: Rulebooks) -> None:
    for name, priority, stage in (("low", 1, "enforce"), ("high", 5, "enforce"), ("seen", 9, "observe")):
        factories.make_rule(course=course, name=name, pattern="cat", priority=priority, stage=stage)

    verdict = book(books, course).screen(["cat"])

    assert verdict.block is not None
    assert verdict.block.name == "high"


def test_drafts_are_not_looked_for(course: Course, books: Rulebooks) -> None:
    factories.make_rule(course=course, stage=Rule.Stage.DRAFT)

    assert course.pk not in books.load()


def test_students_are_told_of_warnings_and_enforced_rules_only(course: Course, books: Rulebooks) -> None:
    rules = [factories.make_rule(course=course, pattern="cat", stage=stage) for stage in ("observe", "warn", "enforce")]

    verdict = book(books, course).screen(["cat cat"])

    assert sorted(verdict.announced) == [rule.pk for rule in rules[1:]]


def test_guidance_comes_once_each_in_order_of_priority(course: Course, books: Rulebooks) -> None:
    for guidance, priority in (("first", 9), ("second", 5), ("first", 1)):
        factories.make_rule(course=course, pattern="cat", action="guide", guidance=guidance, priority=priority)

    assert book(books, course).screen(["cat", "cat"]).guidance == ("first", "second")


def test_an_unchanged_course_is_not_compiled_again(course: Course, books: Rulebooks) -> None:
    factories.make_rule(course=course)
    before = book(books, course)
    factories.make_rule()

    assert book(books, course) is before


def test_rules_that_do_not_compile_leave_the_previous_ones_in_force(
    course: Course, books: Rulebooks, caplog: pytest.LogCaptureFixture
) -> None:
    rule = factories.make_rule(course=course, name="good", pattern="cat")
    book(books, course)
    Rule.objects.filter(pk=rule.pk).update(pattern="(")

    verdict = book(books, course).screen(["cat"])

    assert names(verdict) == ["good"]
    assert "do not compile" in caplog.text


def test_rules_that_never_compiled_let_nothing_pass(
    course: Course, books: Rulebooks, caplog: pytest.LogCaptureFixture
) -> None:
    factories.make_rule(course=course, pattern="(")

    assert books.load()[course.pk] is None


def test_one_course_that_does_not_compile_is_no_trouble_for_others(
    course: Course, books: Rulebooks, caplog: pytest.LogCaptureFixture
) -> None:
    factories.make_rule(course=course, pattern="(")
    other = factories.make_rule().course

    assert books.load()[other.pk] is not None
