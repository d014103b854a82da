"""Rules in a file: exam windows, examples, the institution's rules, and what happens if rules cannot be checked."""

import re
from datetime import UTC, datetime, time

import pytest

from apps.accounts.models import Course
from apps.rules.models import Rule, RuleSettings
from gateway_project.env import BASE_DIR
from tests.apply.conftest import Operator

COURSE = """
courses:
  - slug: cs101
    title: Programming
    student_weekly_tokens: 1000
    rules:
      - name: exam
        pattern: '(?i)exam question'
        action: redact
        direction: both
        replacement: '[exam]'
        assignment: final
        starts_at: 2026-12-01T08:00:00+02:00
        ends_at: 2026-12-02T08:00:00+02:00
        weekdays: [tuesday, monday]
        from_time: '09:00'
        until_time: '12:30'
        examples_match: [The exam question is here, 'EXAM QUESTION']
        examples_no_match: [an examination]
"""
INSTITUTION = """
institution:
  rules:
    - {name: keys, pattern: 'sk-[a-z]+', action: redact, stage: enforce}
"""


def test_a_rule_with_a_window_is_as_the_file_says(operator: Operator) -> None:
    operator.apply(COURSE)

    rule = Rule.objects.get(name="exam")
    assert (rule.starts_at, rule.ends_at) == (
        datetime(2026, 12, 1, 6, tzinfo=UTC),
        datetime(2026, 12, 2, 6, tzinfo=UTC),
    )
    assert (rule.weekdays, rule.from_time, rule.until_time) == ("01", time(9), time(12, 30))
    assert (rule.action, rule.direction, rule.replacement, rule.assignment) == ("redact", "both", "[exam]", "final")
    assert rule.examples_match.splitlines() == ["The exam question is here", "EXAM QUESTION"]


def test_applying_it_again_changes_nothing_and_makes_no_version(operator: Operator) -> None:
    operator.apply(COURSE)

    assert operator.apply(COURSE) == ["= nothing to change"]
    assert Rule.objects.get(name="exam").versions.count() == 1


def test_a_course_and_the_institution_may_have_rules_of_the_same_name(operator: Operator) -> None:
    operator.apply(INSTITUTION.replace("keys", "exam"))

    operator.apply(COURSE)

    assert Rule.objects.filter(name="exam").count() == 2


def test_a_change_is_a_version_by_nobody(operator: Operator) -> None:
    operator.apply(COURSE)

    operator.apply(COURSE.replace("'[exam]'", "'[gone]'"))

    version = Rule.objects.get(name="exam").versions.get(number=2)
    assert (version.author, version.summary) == (None, "replacement: [exam] → [gone]")


def test_the_institution_has_rules(operator: Operator) -> None:
    shown = operator.apply(INSTITUTION)

    assert "+ rule keys of the institution" in shown
    assert Rule.objects.get(name="keys").course is None
    assert operator.apply(INSTITUTION) == ["= nothing to change"]


def test_pruning_removes_what_the_institutions_list_leaves_out_and_no_courses_rule(operator: Operator) -> None:
    operator.apply(INSTITUTION)
    operator.apply(COURSE)

    shown = operator.apply("institution: {rules: []}", prune=True)

    assert shown == ["- rule keys of the institution"]
    assert Rule.objects.get().name == "exam"


def test_what_happens_if_rules_cannot_be_checked_is_said_of_a_course(operator: Operator) -> None:
    operator.apply("courses: [{slug: cs101, title: P, student_weekly_tokens: 9, rules_on_failure: let_pass}]")

    assert RuleSettings.objects.get(course=Course.objects.get(slug="cs101")).on_failure == "let_pass"
    assert operator.apply("courses: [{slug: cs101, title: P, student_weekly_tokens: 9, rules_on_failure: block}]") == [
        "~ course cs101: rules_on_failure let_pass -> block"
    ]
    operator.apply("courses: [{slug: cs101, title: P, student_weekly_tokens: 9, warnings_in_answers: true}]")
    assert RuleSettings.objects.get().tells_in_answers


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("starts_at", "2026-12-01T08:00:00", "with its offset"),
        ("starts_at", "soon", "with its offset"),
        ("from_time", "'25:00'", "a time of day"),
        ("from_time", "'9'", "a time of day"),
        ("weekdays", "[someday]", "a list of days"),
        ("weekdays", "monday", "a list of days"),
        ("examples_match", "one", "a list of texts"),
        ("examples_match", "[a question]", "Line 1: the pattern does not find “a question”"),
        ("examples_no_match", "[exam question]", "Line 1: the pattern finds “exam question”"),
        ("ends_at", "2026-11-01T08:00:00+02:00", "The end must be after the start"),
        ("replacement", "''", "what stands in place"),
        ("stage", "sometimes", "must be one of: draft, observe, warn, enforce"),
    ],
)
def test_a_mistake_names_its_line_and_field(operator: Operator, field: str, value: str, sentence: str) -> None:
    lines = [line for line in COURSE.splitlines() if not line.strip().startswith(f"{field}:")]
    text = "\n".join([*lines, f"        {field}: {value}"])

    (mistake,) = operator.refused(text)

    assert mistake.startswith(f"stoa.yaml:{len(lines) + 1}: courses[0].rules[0].{field}: ")
    assert sentence in mistake


def test_guidance_on_answers_is_refused(operator: Operator) -> None:
    text = COURSE.replace("redact", "guide").replace("both", "answer") + "        guidance: Hint."

    (mistake,) = operator.refused(text)

    assert "looks at prompts only" in mistake


def test_what_the_manual_shows_can_be_applied(operator: Operator) -> None:
    operator.apply("courses: [{slug: cs101, title: Programming, student_weekly_tokens: 1000}]")
    (shown,) = re.findall(r"```yaml\n(.*?)```", (BASE_DIR / "docs" / "rules-in-depth.md").read_text(), re.DOTALL)

    assert operator.apply(shown) == ["+ rule settings of course cs101", "+ rule cs101/exam-questions"]


def test_a_pattern_that_is_found_in_nearly_any_text_is_doubted(operator: Operator) -> None:
    shown = operator.apply(COURSE.replace("(?i)exam question", ".+").split("        examples_match")[0])

    assert shown[-1].startswith("! rule cs101/exam: This pattern is found in nearly any text")
