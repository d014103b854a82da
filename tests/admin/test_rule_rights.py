"""The instructor's workbench: whose rules it changes, and what is left of them."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Membership
from apps.rules.models import RuleException
from tests import factories
from tests.admin.workbench import EVIL, bench, move, stage_of, text_of
from tests.admin.world import CourseWorld, page_of

VIEWS = ["try", "stage", "restore", "forget_exception"]


@pytest.mark.parametrize("name", VIEWS)
def test_a_foreign_rule_has_no_workbench(
    name: str, instructor: Client, foreign: CourseWorld, world: CourseWorld
) -> None:
    exception = RuleException.objects.create(rule=foreign.rule, text="x")
    more = {"restore": [1], "forget_exception": [exception.pk]}.get(name, [])

    answer = instructor.post(bench(foreign.rule, name, *more), {"stage": "draft", "text": "x", "pattern": "x"})

    assert answer.status_code == 404
    assert (stage_of(foreign.rule), RuleException.objects.count()) == ("enforce", 1)


def test_an_exception_of_a_foreign_rule_is_not_reached_by_way_of_the_own(
    instructor: Client, world: CourseWorld, foreign: CourseWorld
) -> None:
    exception = RuleException.objects.create(rule=foreign.rule, text="x")

    assert instructor.post(bench(world.rule, "forget_exception", exception.pk)).status_code == 404


@pytest.mark.parametrize("name", ["stage", "restore", "forget_exception"])
def test_assistants_change_nothing_by_it(name: str, assistant: Client, world: CourseWorld) -> None:
    more = {"restore": [1], "forget_exception": [1]}.get(name, [])

    assert assistant.post(bench(world.rule, name, *more), {"stage": "draft"}).status_code == 403


@pytest.mark.parametrize("name", ["stage", "restore", "forget_exception"])
def test_looking_changes_nothing(name: str, instructor: Client, world: CourseWorld) -> None:
    more = {"restore": [1], "forget_exception": [1]}.get(name, [])

    assert instructor.get(bench(world.rule, name, *more)).status_code == 405


@pytest.mark.parametrize("name", ["library", "try_new"])
def test_staff_without_a_course_find_no_workbench(name: str, db: None) -> None:
    client = Client()
    client.force_login(factories.make_user(is_staff=True))

    assert client.get(reverse(f"admin:rules_rule_{name}")).status_code == 403


def test_changing_needs_the_token_of_the_page(world: CourseWorld, teacher: Membership) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(teacher.user)

    assert move(client, world.rule, "draft").status_code == 403


def test_a_rules_page_takes_as_many_queries_with_a_long_history(
    instructor: Client, world: CourseWorld, django_assert_max_num_queries: Any
) -> None:
    for number in range(20):
        world.rule.priority = number + 1
        world.rule.save()
        RuleException.objects.create(rule=world.rule, text=f"text {number}")

    with django_assert_max_num_queries(21):
        instructor.get(page_of(world.rule))


# What belongs to a rule


def test_exceptions_are_listed_and_removed(instructor: Client, world: CourseWorld) -> None:
    exception = RuleException.objects.create(rule=world.rule, text=f"solve my {EVIL}", reason="It was a song.")
    page = text_of(instructor.get(page_of(world.rule)))
    assert "It was a song." in page
    assert EVIL not in page

    instructor.post(bench(world.rule, "forget_exception", exception.pk))

    assert not RuleException.objects.exists()


def test_deleting_a_rule_keeps_its_hits_and_appeals(instructor: Client, world: CourseWorld) -> None:
    instructor.post(page_of(world.rule, "delete"), {"post": "yes"})

    hit = world.call.rule_hits.get()
    world.appeal.refresh_from_db()
    assert (hit.rule, hit.name) == (None, world.rule.name)
    assert (world.appeal.rule, world.appeal.rule_name) == (None, world.rule.name)
