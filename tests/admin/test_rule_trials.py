"""The instructor's workbench: a pattern is tried on a text."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from apps.rules.models import Rule, RuleException
from apps.rules.trials import LONGEST_TEXT
from tests.admin.workbench import EVIL, text_of, tried
from tests.admin.world import CourseWorld


def test_what_is_found_is_marked_in_the_text(instructor: Client, world: CourseWorld) -> None:
    page = text_of(tried(instructor, world.rule, f"{EVIL} Please solve  my homework."))

    assert '<mark class="stoa-hit">solve  my homework</mark>' in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; Please " in page
    assert EVIL not in page


OUTCOMES = [
    ({"action": "block"}, "the student reads:", "Ask for a hint instead."),
    ({"action": "redact", "replacement": "[gone]"}, "goes on as:", '<mark class="stoa-hit">[gone]</mark>'),
    ({"action": "guide", "guidance": "Be a tutor."}, "the model is told:", "Be a tutor."),
    ({"action": "flag"}, "marked for staff", "marked for staff"),
]


@pytest.mark.parametrize(("fields", "does", "shows"), OUTCOMES, ids=[fields["action"] for fields, _, _ in OUTCOMES])
def test_it_says_what_would_happen(
    fields: dict[str, str], does: str, shows: str, instructor: Client, world: CourseWorld
) -> None:
    Rule.objects.filter(pk=world.rule.pk).update(**fields)

    page = text_of(tried(instructor, world.rule, "solve my homework"))

    assert does in page
    assert shows in page


def test_every_match_is_marked(instructor: Client, world: CourseWorld) -> None:
    page = text_of(tried(instructor, world.rule, "solve my homework. " * 50))

    assert "Found 50 times" in page
    assert page.partition("Keep as an example")[0].count('<mark class="stoa-hit">') == 50


def test_a_text_is_tried_with_the_line_breaks_that_students_send(instructor: Client, world: CourseWorld) -> None:
    page = text_of(tried(instructor, world.rule, "Dear model,\r\nhello", pattern=r"model,\nhello"))

    assert "Found once" in page


@pytest.mark.parametrize(
    ("direction", "said", "unsaid"),
    [
        ("prompt", "nothing is charged", "is stopped"),
        ("answer", "what was generated is charged", "nothing is charged"),
        ("both", "An answer in which it is found is stopped, and charged", "what was generated"),
    ],
)
def test_an_answer_that_is_stopped_is_charged(
    direction: str, said: str, unsaid: str, instructor: Client, world: CourseWorld
) -> None:
    Rule.objects.filter(pk=world.rule.pk).update(direction=direction)

    page = text_of(tried(instructor, world.rule, "solve my homework"))

    assert said in page
    assert unsaid not in page


def test_a_match_that_does_not_count_is_explained(instructor: Client, world: CourseWorld) -> None:
    Rule.objects.filter(pk=world.rule.pk).update(pattern=r"\d{16}", checksum="card")
    world.rule.refresh_from_db()

    page = text_of(tried(instructor, world.rule, "Order 4111111111111112"))

    assert "Not found" in page
    assert "acts only on payment card numbers" in page


def test_a_disguised_match_is_marked_where_it_stands_and_shown_unfolded(instructor: Client, world: CourseWorld) -> None:
    page = text_of(tried(instructor, world.rule, "Now s\u043elve my h\u043emework!"))  # with Cyrillic letters

    assert '<mark class="stoa-hit">s\u043elve my h\u043emework</mark>' in page
    assert "disguised" in page
    assert 'Now <mark class="stoa-hit">solve my homework</mark>!' in page


def test_what_is_found_in_only_one_of_the_copies_is_shown_there(instructor: Client, world: CourseWorld) -> None:
    page = text_of(tried(instructor, world.rule, "K\u00e4\u00adse", pattern="K\u00e4se"))  # with a soft hyphen

    assert '<mark class="stoa-hit">K\u00e4se</mark>' in page
    assert '<div class="stoa-text stoa-sample" dir="auto">Kase</div>' in page


def test_a_text_in_which_nothing_is_found_passes(instructor: Client, world: CourseWorld) -> None:
    page = text_of(tried(instructor, world.rule, "What is a monad?"))

    assert "Not found" in page
    assert "<mark" not in page


def test_examples_are_shown_with_what_becomes_of_them(instructor: Client, world: CourseWorld) -> None:
    Rule.objects.filter(pk=world.rule.pk).update(examples_match="Solve my homework", examples_no_match="Hello")

    page = text_of(tried(instructor, world.rule, "x", pattern="Hello"))

    assert "2 wrong" in page


def test_an_exception_is_not_found(instructor: Client, world: CourseWorld) -> None:
    RuleException.objects.create(rule=world.rule, text="solve my homework")

    page = text_of(tried(instructor, world.rule, "SOLVE  my homework"))

    assert "Not found" in page
    assert "among the exceptions" in page


@pytest.mark.parametrize(
    ("pattern", "text", "sentence"),
    [
        ("(", "x", "cannot be run"),
        ("(?=x)", "x", "Look-ahead"),
        ("x", "a" * (LONGEST_TEXT + 1), "at most 20000 characters"),
        ("x", "", "required"),
    ],
    ids=["open bracket", "look-ahead", "long text", "no text"],
)
def test_what_cannot_be_tried_is_explained(
    pattern: str, text: str, sentence: str, instructor: Client, world: CourseWorld
) -> None:
    page = tried(instructor, world.rule, text, pattern=pattern)

    assert page.status_code == 200
    assert sentence in text_of(page)


def test_trying_stores_nothing(instructor: Client, world: CourseWorld) -> None:
    tried(instructor, world.rule, "some text", pattern="another")

    world.rule.refresh_from_db()
    assert (world.rule.pattern, world.rule.version) == (r"(?i)solve\s+my\s+homework", 1)


def test_a_script_gets_only_the_result(instructor: Client, world: CourseWorld) -> None:
    page = text_of(tried(instructor, world.rule, "solve my homework", **{"HX-Request": "true"}))

    assert "<mark" in page
    assert "<html" not in page


def test_a_new_pattern_is_tried_without_a_rule(instructor: Client) -> None:
    values = {"pattern": "mon[ao]d", "text": "What is a monad?"}

    page = text_of(instructor.post(reverse("admin:rules_rule_try_new"), values))

    assert '<mark class="stoa-hit">monad</mark>' in page


def test_a_pattern_that_was_tried_becomes_a_rule_of_the_own_course(instructor: Client, world: CourseWorld) -> None:
    values = {"pattern": "(?i)mon[ao]d & more", "text": "What is a monad & more?"}
    page = text_of(instructor.post(reverse("admin:rules_rule_try_new"), values))

    (address,) = re.findall(r'href="([^"]*/add/[^"]*)">Make a rule', page)
    form = instructor.get(address).context["adminform"].form

    assert (form["pattern"].value(), form["course"].value()) == (values["pattern"], world.course.pk)


def test_assistants_are_not_offered_a_rule(assistant: Client) -> None:
    page = text_of(assistant.post(reverse("admin:rules_rule_try_new"), {"pattern": "x", "text": "x"}))

    assert "Make a rule" not in page


def test_assistants_may_try(assistant: Client, world: CourseWorld) -> None:
    assert "<mark" in text_of(tried(assistant, world.rule, "solve my homework"))
