"""The instructor's workbench: titles, words in place of patterns, ready rules to try, and examples from a trial."""

import pytest
from django.test import Client
from django.urls import reverse

from apps.rules.models import Rule
from apps.rules.ready_rules import LIBRARY
from tests import factories
from tests.admin.workbench import EVIL, bench, rule_form, text_of, tried
from tests.admin.world import CourseWorld, list_of, page_of

BOXES = {"together": "", "whole": "on", "ignore_case": "on"}
READY = LIBRARY[0]


def errors_of(page: object) -> dict[str, list[str]]:
    return dict(page.context["adminform"].form.errors)  # type: ignore[attr-defined]


def test_a_rule_is_made_of_a_title_and_words(instructor: Client, world: CourseWorld) -> None:
    values = rule_form(world.rule, name="", title="Ei läksyjä!", pattern="", words="tee läksyni\nC++", **BOXES)

    for _ in range(2):
        instructor.post(reverse("admin:rules_rule_add"), {**values, "course": world.course.pk})

    first, second = Rule.objects.filter(title="Ei läksyjä!").order_by("pk")
    assert (first.name, second.name) == ("ei-laksyja", "ei-laksyja-2")
    assert first.pattern == r"(?i)\btee\s+läksyni\b|\bC\+\+"
    assert "Ei läksyjä!" in text_of(instructor.get(list_of(Rule)))
    boxes = instructor.get(page_of(first)).context["adminform"].form
    assert [boxes[name].value() for name in ("words", "whole")] == ["tee läksyni\nC++", True]


CHANGES = [
    ({"words": "quiz"}, r"(?i)\bquiz\b"),
    ({"words": "solve my homework", "whole": ""}, r"(?i)solve\s+my\s+homework"),
    ({"words": "solve my homework", "whole": "", "pattern": "a+"}, "a+"),
    ({"words": "", "pattern": "a+"}, "a+"),
]


@pytest.mark.parametrize(("fields", "pattern"), CHANGES, ids=[pattern for _, pattern in CHANGES])
def test_what_was_changed_counts_be_it_words_or_pattern(
    fields: dict[str, str], pattern: str, instructor: Client, world: CourseWorld
) -> None:
    world.rule.move("observe")
    posted = {**rule_form(world.rule), **BOXES, **fields}
    instructor.post(page_of(world.rule), {name: value for name, value in posted.items() if value != ""})

    world.rule.refresh_from_db()
    assert world.rule.pattern == pattern


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"words": "quiz", "pattern": "a+"}, "pattern"),
        ({"words": ""}, "words"),
        ({"words": "a\nb\nc\nd", "together": "yes"}, "words"),
    ],
    ids=["both", "neither", "too many"],
)
def test_what_cannot_be_meant_is_refused(
    fields: dict[str, str], field: str, instructor: Client, world: CourseWorld
) -> None:
    page = instructor.post(page_of(world.rule), {**rule_form(world.rule), **BOXES, **fields})

    assert list(errors_of(page)) == [field]


def test_a_rule_needs_a_title_or_a_name(instructor: Client, world: CourseWorld) -> None:
    values = {**rule_form(world.rule, name=""), "title": " ", "course": world.course.pk}

    assert "title" in errors_of(instructor.post(reverse("admin:rules_rule_add"), values))


def test_the_page_begins_with_what_the_rule_does(instructor: Client, world: CourseWorld) -> None:
    Rule.objects.filter(pk=world.rule.pk).update(title=EVIL, why=f"Because {EVIL}", message=EVIL)

    page = text_of(instructor.get(page_of(world.rule)))

    assert "Refuses what students send that contains “solve my homework”; says " in page
    assert "enforced since today" in page
    assert EVIL not in page + text_of(instructor.get(list_of(Rule)))


def test_a_ready_rule_is_tried_before_it_is_added(instructor: Client, world: CourseWorld) -> None:
    address = f"{reverse('admin:rules_rule_try_new')}?ready={READY.slug}"
    assert address in text_of(instructor.get(reverse("admin:rules_rule_library")))

    page = text_of(instructor.post(address, {"pattern": READY.pattern, "text": READY.matches[0]}))

    assert "<mark" in page and READY.message in page
    assert not Rule.objects.filter(name=READY.slug).exists()


def test_ready_rules_are_added_to_the_course_that_one_comes_from(instructor: Client, world: CourseWorld) -> None:
    teacher = world.course.memberships.get(role="instructor").user
    other = factories.make_instructor(course=factories.make_course(), user=teacher).course

    page = text_of(instructor.get(reverse("admin:rules_rule_library"), {"course": other.slug}))

    assert f'name="course" value="{other.pk}"' in page and f'value="{world.course.pk}"' not in page

    instructor.post(reverse("admin:rules_rule_library"), {"rule": READY.slug, "course": other.pk})
    rule = Rule.objects.get(course=other)
    assert (rule.title, rule.why) == (READY.title, READY.purpose)


def test_each_line_can_be_a_text_of_its_own(instructor: Client, world: CourseWorld) -> None:
    lines = "Solve my homework\n\nHello"
    values = {"pattern": world.rule.pattern, "text": lines, "each_line": "on"}

    page = text_of(instructor.post(bench(world.rule, "try"), values))

    assert "2 texts, one a line" in page
    assert page.count('value="examples_match"') == 2


def test_the_other_enforced_rules_are_tried_too(instructor: Client, world: CourseWorld) -> None:
    other = factories.make_rule(course=world.course, pattern="essay", title="No essays")
    factories.make_rule(course=world.course, pattern="essay", title="Only watched", stage="observe")
    values = {"pattern": world.rule.pattern, "text": "my essay", "others": "on"}

    page = text_of(instructor.post(bench(world.rule, "try"), values))

    assert bench(other, "try") in page
    assert "No essays" in page and "Only watched" not in page


@pytest.mark.parametrize(
    ("text", "field", "said"),
    [
        ("Solve my homework", "examples_match", "is now an example that must be found"),
        ("Hello", "examples_no_match", "is now an example that must not be found"),
        ("Hello", "examples_match", "Not added: "),
    ],
)
def test_a_text_that_was_tried_becomes_an_example(
    text: str, field: str, said: str, instructor: Client, world: CourseWorld
) -> None:
    page = text_of(instructor.post(bench(world.rule, "example"), {"text": text, "field": field}, follow=True))

    world.rule.refresh_from_db()
    assert said in page
    assert (getattr(world.rule, field) == text) is not said.startswith("Not")


def test_assistants_keep_no_examples(assistant: Client, world: CourseWorld) -> None:
    values = {"text": "Solve my homework", "field": "examples_match"}

    assert assistant.post(bench(world.rule, "example"), values).status_code == 403
    assert "Must be found" not in text_of(tried(assistant, world.rule, "Solve my homework"))
    assert assistant.get(page_of(world.rule)).status_code == 200
