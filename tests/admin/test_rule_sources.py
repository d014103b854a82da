"""The instructor's workbench: rules come from the library, from other courses, and from the institution."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Membership
from apps.rules.models import Rule
from apps.rules.ready_rules import LIBRARY
from tests import factories
from tests.admin.workbench import bench, move, rule_form, text_of
from tests.admin.world import CourseWorld, list_of, page_of

READY = LIBRARY[0]


def add(client: Client, world: CourseWorld) -> Any:
    values = {"rule": READY.slug, "course": world.course.pk}
    return client.post(reverse("admin:rules_rule_library"), values, follow=True)


def test_ready_rules_are_described_in_plain_words(instructor: Client) -> None:
    page = text_of(instructor.get(reverse("admin:rules_rule_library")))

    assert READY.title in page
    assert READY.purpose in page
    assert READY.matches[0] in page


def test_a_ready_rule_is_added_to_observe_with_its_examples(
    instructor: Client, teacher: Membership, world: CourseWorld
) -> None:
    page = add(instructor, world)

    rule = Rule.objects.get(course=world.course, name=READY.slug)
    assert page.redirect_chain[-1][0] == page_of(rule)
    assert (rule.stage, rule.pattern, rule.checksum) == ("observe", READY.pattern, READY.checksum)
    assert rule.examples_match.splitlines() == list(READY.matches)
    assert rule.versions.get().author == teacher.user


def test_a_ready_rule_is_added_once(instructor: Client, world: CourseWorld) -> None:
    add(instructor, world)

    page = add(instructor, world)

    assert "already has a rule" in text_of(page)
    assert Rule.objects.filter(course=world.course, name=READY.slug).count() == 1


def test_what_a_course_has_is_not_offered_again(instructor: Client, world: CourseWorld) -> None:
    add(instructor, world)

    page = text_of(instructor.get(reverse("admin:rules_rule_library")))

    assert f"{world.course} has it already" in page
    assert f'value="{READY.slug}"' not in page


def test_a_ready_rule_is_not_added_to_a_foreign_course(
    instructor: Client, foreign: CourseWorld, world: CourseWorld
) -> None:
    page = add(instructor, foreign)

    assert "Choose one of the rules below" in text_of(page)
    assert not Rule.objects.filter(name=READY.slug).exists()


def test_assistants_add_no_ready_rule(assistant: Client, world: CourseWorld) -> None:
    assert add(assistant, world).status_code == 403


def test_every_ready_rule_can_be_added(world: CourseWorld) -> None:
    rules = [Rule.from_library(ready, course=world.course, by=None) for ready in LIBRARY]

    assert {rule.stage for rule in rules} == {"observe"}


# Copies


def copy(client: Client, *rules: Rule, **values: Any) -> Any:
    chosen = {"action": "copy", "_selected_action": [rule.pk for rule in rules]}
    return client.post(list_of(Rule), {**chosen, **values}, follow=True)


def test_rules_are_copied_to_another_own_course(instructor: Client, teacher: Membership, world: CourseWorld) -> None:
    term = factories.make_course()
    factories.make_instructor(course=term, user=teacher.user)
    asked = text_of(copy(instructor, world.rule))
    assert term.title in asked

    page = copy(instructor, world.rule, copy="yes", course=term.pk, stage="observe")

    assert "1 copied" in text_of(page)
    assert Rule.objects.get(course=term).stage == "observe"


@pytest.mark.parametrize("stage", ["draft", "observe", "warn"])
def test_a_copy_keeps_its_stage_if_that_is_wished(stage: str, operator: Client, world: CourseWorld) -> None:
    term = factories.make_course()
    world.rule.move(stage)

    copy(operator, world.rule, copy="yes", course=term.pk, stage="same")

    assert Rule.objects.get(course=term).stage == stage


def test_a_copy_of_an_enforced_rule_observes_until_one_has_looked(operator: Client, world: CourseWorld) -> None:
    term = factories.make_course()

    page = copy(operator, world.rule, copy="yes", course=term.pk, stage="same")

    copied = Rule.objects.get(course=term)
    assert copied.stage == "observe"
    assert page.redirect_chain[-1][0] == reverse("admin:conversations_rule_enforce", args=[copied.pk])


def test_a_copy_of_an_exam_rule_does_not_act_without_its_dates(operator: Client, world: CourseWorld) -> None:
    term = factories.make_course()
    Rule.objects.filter(pk=world.rule.pk).update(ends_at=datetime(2026, 12, 20, tzinfo=UTC))

    page = copy(operator, world.rule, copy="yes", course=term.pk, stage="same")

    assert Rule.objects.get(course=term).stage == "observe"
    assert f"does not act, but observes: {world.rule.name}." in text_of(page)


def test_a_copy_replaces_no_rule_of_the_same_name(operator: Client, world: CourseWorld) -> None:
    term = factories.make_course()
    factories.make_rule(course=term, name=world.rule.name, pattern="mine")

    page = copy(operator, world.rule, copy="yes", course=term.pk, stage="same")

    assert f"{world.rule.name} was not copied. {term} already has a rule" in text_of(page)
    assert Rule.objects.get(course=term).pattern == "mine"


def test_nothing_is_copied_to_or_from_a_foreign_course(
    instructor: Client, world: CourseWorld, foreign: CourseWorld
) -> None:
    copy(instructor, world.rule, copy="yes", course=foreign.course.pk, stage="same")
    copy(instructor, foreign.rule, copy="yes", course=world.course.pk, stage="same")

    assert Rule.objects.count() == 2


def test_rules_of_the_institution_are_not_copied(operator: Client, world: CourseWorld) -> None:
    rule = Rule.objects.create(name="keys", pattern="sk-[a-z]+", message="Remove it.")

    page = copy(operator, rule)

    assert "hold in every course already" in text_of(page)
    page = copy(operator, rule, world.rule)
    assert [rule.name for rule in page.context["rules"]] == [world.rule.name]


# Rules of the institution


def test_operators_write_rules_for_all_courses(operator: Client, db: None) -> None:
    rule = Rule(name="keys", pattern="sk-[a-z]+", message="Remove the key.")
    values = rule_form(rule)

    operator.post(reverse("admin:rules_rule_add"), values)

    assert Rule.objects.get(name="keys").course is None


def test_the_institution_has_one_rule_of_a_name(operator: Client, db: None) -> None:
    rule = Rule.objects.create(name="keys", pattern="sk-[a-z]+", message="Remove the key.")

    page = operator.post(reverse("admin:rules_rule_add"), rule_form(rule))

    assert page.context["adminform"].form.errors == {"name": ["The institution already has a rule called keys."]}


def test_instructors_do_not(instructor: Client, world: CourseWorld) -> None:
    page = instructor.post(
        reverse("admin:rules_rule_add"), rule_form(Rule(name="keys", pattern="sk-[a-z]+", message="Remove it."))
    )

    assert list(page.context["adminform"].form.errors) == ["course"]


def test_instructors_do_not_see_the_institutions_rules(instructor: Client, world: CourseWorld) -> None:
    rule = Rule.objects.create(name="no-secrets", pattern="x", message="No.")

    answers = [
        instructor.get(page_of(rule)).status_code,
        move(instructor, rule, "draft").status_code,
        instructor.get(bench(rule, "try")).status_code,
    ]

    assert answers == [404, 404, 404]
    assert rule.name not in text_of(instructor.get(list_of(Rule)))
