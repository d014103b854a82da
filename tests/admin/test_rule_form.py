"""The instructor's workbench: what the form of a rule takes, and what it says."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Course, Membership
from apps.rules.models import Rule, RuleException
from tests import factories
from tests.admin.workbench import rule_form, text_of, tried
from tests.admin.world import CourseWorld, list_of, page_of


def test_saving_the_form_is_a_version_by_whoever_saved(
    instructor: Client, teacher: Membership, world: CourseWorld
) -> None:
    instructor.post(page_of(world.rule), rule_form(world.rule, message="New words."))

    version = world.rule.versions.get(number=2)
    assert (version.author, version.summary) == (teacher.user, "message: Ask for a hint instead. → New words.")


def test_a_form_that_is_saved_late_does_not_switch_a_rule_on_again(
    instructor: Client, world: CourseWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def switched_off_meanwhile(rule: Rule) -> None:
        Rule.objects.get(pk=rule.pk).move("draft")

    monkeypatch.setattr(Rule, "clean", switched_off_meanwhile)

    instructor.post(page_of(world.rule), rule_form(world.rule, message="New words."))

    world.rule.refresh_from_db()
    assert (world.rule.stage, world.rule.message) == ("draft", "New words.")


def test_a_pattern_is_measured_before_a_transaction_begins(
    instructor: Client, world: CourseWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.rule.move("observe")
    outside, inside = len(connection.savepoint_ids), []
    monkeypatch.setattr(Rule, "clean", lambda rule: inside.append(len(connection.savepoint_ids)))

    instructor.post(page_of(world.rule), rule_form(world.rule, pattern="essay"))

    world.rule.refresh_from_db()
    assert (world.rule.pattern, inside) == ("essay", [outside])


def test_what_others_saved_meanwhile_is_not_undone_unawares(instructor: Client, world: CourseWorld) -> None:
    world.rule.move("observe")
    opened = rule_form(world.rule, message="New words.", seen="2")
    world.rule.pattern = "essay"
    world.rule.save()

    page = instructor.post(page_of(world.rule), opened)

    assert "changed since you opened the page" in page.context["adminform"].form.errors["pattern"][0]
    assert '<input type="hidden" name="seen" value="3" form="rule_form">' in text_of(page)
    assert Rule.objects.get(pk=world.rule.pk).pattern == "essay"

    instructor.post(page_of(world.rule), {**opened, "seen": "3"})

    assert Rule.objects.get(pk=world.rule.pk).pattern == opened["pattern"]


@pytest.mark.parametrize("seen", ["", "1", "x", "9" * 5000])
def test_what_others_did_elsewhere_is_no_reason_to_ask(seen: str, instructor: Client, world: CourseWorld) -> None:
    world.rule.move("warn")

    instructor.post(page_of(world.rule), rule_form(world.rule, message="New words.", seen=seen))

    world.rule.refresh_from_db()
    assert (world.rule.message, world.rule.stage) == ("New words.", "warn")


@pytest.mark.parametrize("is_institutional", [False, True])
def test_a_name_that_is_taken_is_refused_with_a_sentence(
    is_institutional: bool, operator: Client, world: CourseWorld
) -> None:
    taken = factories.make_rule(course=world.course)
    if is_institutional:
        Rule.objects.update(course=None)

    page = operator.post(page_of(world.rule), rule_form(world.rule, name=taken.name))

    (sentence,) = page.context["adminform"].form.errors["name"]
    assert f"already has a rule called {taken.name}" in sentence


def test_a_new_rule_says_that_it_does_nothing_yet(instructor: Client, world: CourseWorld) -> None:
    values = {**rule_form(world.rule, name="new"), "course": world.course.pk}

    page = instructor.post(reverse("admin:rules_rule_add"), values, follow=True)

    assert "new is a draft, which does nothing." in text_of(page)


# Exam windows


def test_a_window_is_set_and_shown_on_the_clock_of_the_course(instructor: Client, world: CourseWorld) -> None:
    world.course.timezone = "Europe/Helsinki"
    world.course.save()
    window = {"starts_at_0": "2026-12-01", "starts_at_1": "09:00", "weekdays": ["1", "0"], "from_time": "09:00"}

    instructor.post(page_of(world.rule), rule_form(world.rule, **window))

    world.rule.refresh_from_db()
    assert world.rule.starts_at is not None
    assert world.rule.starts_at.isoformat() == "2026-12-01T07:00:00+00:00"
    assert world.rule.weekdays == "01"
    page = instructor.get(page_of(world.rule))
    assert 'value="09:00:00"' in text_of(page)
    assert page.context["adminform"].form["weekdays"].value() == ["0", "1"]


NOT_NOW = [
    ({"ends_at": datetime(2026, 1, 1, 10, tzinfo=UTC)}, "Its time was over on 2026-01-01 12:00"),
    ({"starts_at": datetime(2999, 1, 1, 10, tzinfo=UTC)}, "It holds from 2999-01-01 12:00 on"),
    ({"weekdays": f"{(datetime.now(UTC).weekday() + 3) % 7}"}, "It rests now"),
    ({"assignment": "essay-2"}, "only at calls with the assignment tag essay-2"),
]


@pytest.mark.parametrize(("fields", "said"), NOT_NOW, ids=[next(iter(fields)) for fields, _ in NOT_NOW])
def test_a_rule_that_does_not_hold_now_says_so_wherever_its_stage_is_shown(
    fields: dict[str, Any], said: str, instructor: Client, world: CourseWorld
) -> None:
    Course.objects.update(timezone="Europe/Helsinki")
    assert said not in text_of(instructor.get(page_of(world.rule)))

    Rule.objects.filter(pk=world.rule.pk).update(**fields)

    assert said in text_of(instructor.get(page_of(world.rule)))
    assert said in text_of(instructor.get(list_of(Rule)))
    assert said in text_of(tried(instructor, world.rule, "solve my homework"))


def test_a_rule_that_does_nothing_anyway_says_nothing_of_its_time(instructor: Client, world: CourseWorld) -> None:
    Rule.objects.filter(pk=world.rule.pk).update(stage="draft", ends_at=datetime(2026, 1, 1, tzinfo=UTC))

    assert "Its time was over" not in text_of(instructor.get(page_of(world.rule)))


def test_where_the_lines_of_a_pattern_break_means_nothing(instructor: Client, world: CourseWorld) -> None:
    world.rule.move("observe")

    instructor.post(page_of(world.rule), rule_form(world.rule, pattern="solve\r\n my\r\n home"))

    world.rule.refresh_from_db()
    assert world.rule.pattern == "solve my home"


def test_an_example_that_is_wrong_is_named_with_its_line(instructor: Client, world: CourseWorld) -> None:
    values = {"examples_match": "Solve my homework\nWrite my essay", "examples_no_match": "I solve puzzles"}

    page = instructor.post(page_of(world.rule), rule_form(world.rule, **values))

    errors = page.context["adminform"].form.errors
    assert list(errors) == ["examples_match"]
    assert "Line 2: the pattern does not find “Write my essay”" in errors["examples_match"][0]


def test_an_example_that_stands_among_the_exceptions_is_not_taken(instructor: Client, world: CourseWorld) -> None:
    RuleException.objects.create(rule=world.rule, text="solve my homework")

    page = instructor.post(page_of(world.rule), rule_form(world.rule, examples_match="Solve my homework!"))

    assert "stands among the rule’s exceptions" in page.context["adminform"].form.errors["examples_match"][0]


def test_an_exception_is_a_sentence_that_must_not_be_found(instructor: Client, world: CourseWorld) -> None:
    RuleException.objects.create(rule=world.rule, text="solve my homework")

    instructor.post(page_of(world.rule), rule_form(world.rule, examples_no_match="Solve my homework!"))

    world.rule.refresh_from_db()
    assert world.rule.examples_no_match == "Solve my homework!"


def test_a_name_with_spaces_is_explained_in_plain_words(instructor: Client, world: CourseWorld) -> None:
    page = instructor.post(page_of(world.rule), rule_form(world.rule, name="no homework!"))

    assert "and no spaces" in page.context["adminform"].form.errors["name"][0]
