"""The instructor's workbench: a rule goes from one stage to the next, and back to a version before."""

import pytest
from django.test import Client

from apps.accounts.models import Membership
from apps.rules.models import Rule, RuleSettings
from tests import factories
from tests.admin.workbench import EVIL, bench, move, stage_of, text_of
from tests.admin.world import CourseWorld, page_of


@pytest.mark.parametrize("stage", Rule.Stage.values)
def test_a_rules_page_says_where_it_stands_and_what_that_means(
    stage: str, instructor: Client, world: CourseWorld
) -> None:
    world.rule.move(stage)

    page = instructor.get(page_of(world.rule))

    (current,) = (step for step in page.context["steps"] if step.is_current)
    assert current.stage == stage
    assert current.meaning in text_of(page)


@pytest.mark.parametrize(("before", "after"), [("draft", "observe"), ("observe", "warn"), ("warn", "enforce")])
def test_one_click_leads_to_the_next_stage(before: str, after: str, instructor: Client, world: CourseWorld) -> None:
    world.rule.move(before)
    assert instructor.get(page_of(world.rule)).context["following"] == after

    move(instructor, world.rule, after, looked_at=str(world.rule.version))

    assert stage_of(world.rule) == after


def test_a_move_is_a_version_by_whoever_clicked(instructor: Client, teacher: Membership, world: CourseWorld) -> None:
    move(instructor, world.rule, "observe")

    version = world.rule.versions.get(number=2)
    assert (version.author, version.summary) == (teacher.user, "stage: enforce → observe")


def test_one_click_switches_off_and_another_on_again(instructor: Client, world: CourseWorld) -> None:
    world.rule.move("warn")

    move(instructor, world.rule, "draft")
    page = instructor.get(page_of(world.rule))

    assert page.context["before_draft"] == "warn"
    assert "Switch on again (warn)" in text_of(page)


def test_a_rule_that_warns_says_whom_it_reaches(instructor: Client, world: CourseWorld) -> None:
    world.rule.move("warn")
    header = text_of(instructor.get(page_of(world.rule)))
    RuleSettings.objects.create(course=world.course, tells_in_answers=True)

    below = text_of(instructor.get(page_of(world.rule)))

    assert "most students will not see it" in header
    assert "added below the answer" in below and "most students will not see it" not in below


def test_an_unknown_stage_does_not_exist(instructor: Client, world: CourseWorld) -> None:
    assert move(instructor, world.rule, "sometimes").status_code == 404


# Versions


def test_the_page_shows_the_history_with_a_way_back(instructor: Client, world: CourseWorld) -> None:
    world.rule.message = f"Changed {EVIL}"
    world.rule.save()

    page = instructor.get(page_of(world.rule))
    assert "<del>Ask for a hint instead.</del>" in text_of(page)
    assert "&lt;script&gt;" in text_of(page)
    assert EVIL not in text_of(page)

    instructor.post(bench(world.rule, "restore", 1))

    world.rule.refresh_from_db()
    assert world.rule.message == "Ask for a hint instead."


def test_a_version_without_an_author_does_not_say_more_than_is_known(instructor: Client, world: CourseWorld) -> None:
    world.rule.move("warn", by=factories.make_user())
    world.rule.versions.get(number=2).author.delete()

    assert text_of(instructor.get(page_of(world.rule))).count("by a file, or somebody who has left") == 2


def test_a_version_that_cannot_be_returned_to_says_why(instructor: Client, world: CourseWorld) -> None:
    name = world.rule.name
    world.rule.name = "renamed"
    world.rule.save()
    factories.make_rule(course=world.course, name=name)

    page = instructor.post(bench(world.rule, "restore", 1), follow=True)

    assert "Not restored" in text_of(page)


def test_a_version_is_returned_to_with_its_stage(instructor: Client, world: CourseWorld) -> None:
    world.rule.move("draft")

    seen = {"looked_at": str(world.rule.version)}
    page = instructor.post(bench(world.rule, "restore", 1), seen, follow=True)

    assert stage_of(world.rule) == "enforce"
    assert f"{world.rule.name} now refuses." in text_of(page)


def test_a_version_of_another_rule_does_not_exist(instructor: Client, world: CourseWorld) -> None:
    assert instructor.post(bench(world.rule, "restore", 99)).status_code == 404
