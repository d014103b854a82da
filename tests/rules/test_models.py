"""Rules as staff write them."""

from datetime import UTC, datetime, time
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from apps.accounts.models import Course
from apps.rules.engine.matcher import MAX_PATTERN_LENGTH
from apps.rules.models import Rule
from apps.rules.validation import MOST_RULES
from tests import factories

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
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


@pytest.mark.parametrize("replacement", ["", "  "], ids=repr)
def test_a_redacting_rule_needs_a_replacement(replacement: str) -> None:
    found = complaints(action="redact", replacement=replacement)

    assert found == {"replacement": ["Write what stands in place of what was found, such as [redacted]."]}


@pytest.mark.parametrize("direction", ["answer", "both"])
def test_guidance_comes_before_the_answer(direction: str) -> None:
    found = complaints(action="guide", guidance="Hints only.", direction=direction)

    assert list(found) == ["direction"]


EXAMPLES = [
    ({"examples_match": "my homework\n\nan essay"}, "examples_match", "Line 3: the pattern does not find “an essay”"),
    ({"examples_no_match": "a song\nhomework"}, "examples_no_match", "Line 2: the pattern finds “homework”"),
    ({"examples_match": "homework\n" * 51}, "examples_match", "51 examples; at most 50"),
    ({"examples_no_match": "x" * 501}, "examples_no_match", "Line 1 is longer than 500"),
    ({"pattern": r"\d{16}", "checksum": "luhn", "examples_match": "4111111111111112"}, "examples_match", "Line 1"),
    ({"checksum": "astrology"}, "checksum", "Choose one of"),
    ({"starts_at": NOW, "ends_at": NOW}, "ends_at", "after the start"),
    ({"ends_at": datetime.max.replace(tzinfo=UTC)}, "ends_at", "Choose a year"),
    ({"starts_at": datetime.min.replace(tzinfo=UTC)}, "starts_at", "Choose a year"),
    ({"from_time": time(9), "until_time": time(9)}, "until_time", "the whole day"),
    ({"weekdays": "78"}, "weekdays", "0 (Monday) to 6 (Sunday)"),
]


@pytest.mark.parametrize(("fields", "field", "sentence"), EXAMPLES, ids=lambda value: str(value)[:40])
def test_what_does_not_fit_is_explained_at_its_field(fields: dict[str, Any], field: str, sentence: str) -> None:
    found = complaints(**fields)

    assert list(found) == [field]
    assert sentence in found[field][0]


def test_a_course_has_so_many_rules_and_no_more(course: Course) -> None:
    rules = [Rule(course=course, name=f"r{n}", pattern="x", message="No.") for n in range(MOST_RULES - 1)]
    Rule.objects.bulk_create([*rules, Rule(name="everywhere", pattern="x", message="No.")])

    assert "at most 1000" in complaints(course=course)["pattern"][0]


BROKEN = [
    {"message": ""},
    {"action": "guide", "guidance": ""},
    {"action": "guide", "guidance": "Hint.", "direction": "both"},
    {"action": "redact", "replacement": ""},
    {"starts_at": NOW, "ends_at": NOW},
]


@pytest.mark.parametrize("fields", BROKEN, ids=lambda value: str(value)[:40])
def test_the_database_does_not_take_what_makes_no_sense(fields: dict[str, Any], course: Course) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        factories.make_rule(course=course, **fields)


def test_the_institution_has_one_rule_of_a_name() -> None:
    Rule.objects.create(name="keys", pattern="x", message="No.")

    with pytest.raises(IntegrityError), transaction.atomic():
        Rule.objects.create(name="keys", pattern="y", message="No.")


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
