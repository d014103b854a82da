"""The instructor's workbench: a rule goes from one stage to the next, and back to a version before."""

from collections.abc import Callable

import pytest
from django.test import Client

from apps.accounts.models import Membership
from apps.rules.models import Rule
from apps.rules.stages import FEW_CALLS
from tests import factories
from tests.admin.workbench import EVIL, bench, make_calls, move, stage_of, text_of
from tests.admin.world import CourseWorld, list_of, make_hit, page_of


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

    move(instructor, world.rule, after)

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


def test_hits_are_counted_since_the_rule_came_to_its_stage(instructor: Client, world: CourseWorld) -> None:
    world.call.rule_hits.update(version=1)
    world.rule.move("observe")
    make_hit(world.call, world.rule, "homework", version=world.rule.version)
    world.rule.signed(by=None).move("warn")

    assert instructor.get(page_of(world.rule)).context["hits_here"] == 0
    make_hit(world.call, world.rule, "homework", version=world.rule.version)
    assert instructor.get(page_of(world.rule)).context["hits_here"] == 1


def test_a_rule_that_would_block_too_much_asks_first(instructor: Client, world: CourseWorld) -> None:
    world.rule.move("observe")
    make_calls(world, hits=2, misses=7)  # with the call that is there, 3 of 10

    page = move(instructor, world.rule, "enforce")

    assert "3 of 10 calls: 30 percent" in text_of(page)
    assert stage_of(world.rule) == "observe"

    move(instructor, world.rule, "enforce", confirmed="yes")

    assert stage_of(world.rule) == "enforce"


def test_what_another_pattern_found_is_not_held_against_this_one(instructor: Client, world: CourseWorld) -> None:
    world.rule.move("observe")
    make_calls(world, hits=9, misses=0)
    world.rule.pattern = "something narrower"
    world.rule.save()

    move(instructor, world.rule, "enforce")

    assert stage_of(world.rule) == "enforce"


SELDOM: dict[str, Callable[[CourseWorld], None]] = {
    "a fifth is not above a fifth": lambda world: make_calls(world, hits=1, misses=8),
    "a few calls say nothing": lambda world: make_calls(world, hits=FEW_CALLS - 2, misses=0),
    "a guiding rule refuses nothing": lambda world: (
        make_calls(world, hits=20, misses=0),
        Rule.objects.filter(pk=world.rule.pk).update(action="guide", guidance="Hint."),
    )[0],
}


@pytest.mark.parametrize("case", SELDOM)
def test_a_rule_that_is_found_seldom_is_enforced_at_once(case: str, instructor: Client, world: CourseWorld) -> None:
    world.rule.move("observe")
    SELDOM[case](world)

    move(instructor, world.rule, "enforce")

    assert stage_of(world.rule) == "enforce"


def test_the_list_leaves_those_that_would_block_too_much_where_they_are(instructor: Client, world: CourseWorld) -> None:
    world.rule.move("observe")
    other = factories.make_rule(course=world.course, stage="observe", pattern="x")
    make_calls(world, hits=9, misses=0)

    page = instructor.post(
        list_of(Rule), {"action": "enforce", "_selected_action": [world.rule.pk, other.pk]}, follow=True
    )

    assert (stage_of(world.rule), stage_of(other)) == ("observe", "enforce")
    assert f"Not enforced: {world.rule.name}" in text_of(page)


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

    page = instructor.post(bench(world.rule, "restore", 1), follow=True)

    assert stage_of(world.rule) == "enforce"
    assert "With its stage: Enforce: acts" in text_of(page)


def test_a_version_that_would_block_too_much_asks_first(instructor: Client, world: CourseWorld) -> None:
    world.rule.move("observe")
    make_calls(world, hits=9, misses=0)

    page = instructor.post(bench(world.rule, "restore", 1))

    assert "would block a lot" in text_of(page)
    assert f'action="{bench(world.rule, "restore", 1)}"' in text_of(page)
    assert stage_of(world.rule) == "observe"

    instructor.post(bench(world.rule, "restore", 1), {"confirmed": "yes"})

    assert stage_of(world.rule) == "enforce"


def test_a_version_of_another_rule_does_not_exist(instructor: Client, world: CourseWorld) -> None:
    assert instructor.post(bench(world.rule, "restore", 99)).status_code == 404
