"""Rules as staff write them."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from apps.accounts.models import Course
from apps.rules.engine import MAX_PATTERN_LENGTH
from apps.rules.models import Rule
from tests import factories

pytestmark = pytest.mark.django_db


def a_rule(**fields: Any) -> Rule:
    return Rule(**{"name": "rule", "pattern": "homework", "message": "Ask for a hint.", **fields})


def complaints(**fields: Any) -> dict[str, list[str]]:
    with pytest.raises(ValidationError) as caught:
        a_rule(**fields).clean()
    found: dict[str, list[str]] = caught.value.message_dict
    return found


GOOD = [
    {},
    {"pattern": r"(?i)solve\s+my\s+homework"},
    {"pattern": "a" * MAX_PATTERN_LENGTH},
    {"action": "guide", "message": "", "guidance": "Give hints only."},
    {"action": "guide", "guidance": "Give hints only."},
    {"pattern": "päivää|👋"},
]


@pytest.mark.parametrize("fields", GOOD, ids=str)
def test_a_sound_rule_is_taken(fields: dict[str, Any]) -> None:
    a_rule(**fields).clean()


PATTERNS = [
    ("", "Write a pattern"),
    ("a" * (MAX_PATTERN_LENGTH + 1), "501 characters"),
    ("(", "cannot be run"),
    ("[a", "cannot be run"),
    ("*", "cannot be run"),
    ("(?=ahead)x", "Look-ahead"),
    ("(?<!behind)x", "Look-ahead and look-behind"),
    (r"(a)\1", "Back-references"),
    ("a*", "matches the empty text"),
    ("^", "matches the empty text"),
    ("a|", "matches the empty text"),
    ("a{1001}", "cannot be run"),
]


@pytest.mark.parametrize(("pattern", "sentence"), PATTERNS, ids=[pattern[:20] for pattern, _ in PATTERNS])
def test_a_pattern_that_cannot_be_run_is_explained_at_its_field(pattern: str, sentence: str) -> None:
    found = complaints(pattern=pattern)

    assert list(found) == ["pattern"]
    assert sentence in found["pattern"][0]


@pytest.mark.parametrize("message", ["", "   ", "\n"], ids=repr)
def test_a_blocking_rule_needs_a_sentence(message: str) -> None:
    assert complaints(message=message) == {
        "message": ["Write the sentence that the student reads when this rule blocks."]
    }


@pytest.mark.parametrize("guidance", ["", "   ", "\n"], ids=repr)
def test_a_guiding_rule_needs_guidance(guidance: str) -> None:
    found = complaints(action="guide", guidance=guidance)

    assert found == {"guidance": ["Write what the model is told when this rule matches."]}


def test_all_mistakes_are_named_at_once() -> None:
    assert list(complaints(pattern="(", message="")) == ["pattern", "message"]


# Moving between stages


def test_rules_are_moved_to_a_stage_and_those_elsewhere_are_counted(course: Course) -> None:
    for stage in (Rule.Stage.DRAFT, Rule.Stage.WARN, Rule.Stage.ENFORCE):
        factories.make_rule(course=course, stage=stage)

    moved = Rule.objects.filter(course=course).move(Rule.Stage.ENFORCE)

    assert moved == 2
    assert set(Rule.objects.filter(course=course).values_list("stage", flat=True)) == {"enforce"}


def test_two_courses_may_have_rules_of_one_name(course: Course) -> None:
    factories.make_rule(course=course, name="no-homework")

    factories.make_rule(name="no-homework")


def test_one_course_may_not_have_two_rules_of_one_name(course: Course) -> None:
    factories.make_rule(course=course, name="no-homework")

    with pytest.raises(ValidationError):
        a_rule(course=course, name="no-homework").validate_constraints()
