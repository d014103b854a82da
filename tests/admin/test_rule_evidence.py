"""The evidence under the stages of a rule: asked for by itself, kept over stages, with samples that become examples."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Course
from apps.common.jobs import run_waiting
from apps.common.models import Job
from apps.rules.models import Rule
from apps.rules.ready_rules import LIBRARY
from tests import factories
from tests.admin.workbench import move, rule_form, text_of
from tests.admin.world import CourseWorld, add_page, make_call, make_hit, page_of


def strip_of(client: Client, rule: Rule) -> str:
    address = reverse("admin:conversations_rule_evidence", args=[rule.pk])
    return text_of(client.get(address, headers={"hx-request": "true"}))


def judge(client: Client, rule: Rule, mark: str, *, number: int = 0) -> Any:
    address = reverse("admin:conversations_rule_sample", args=[rule.pk, Job.objects.latest("pk").pk, number])
    return client.post(address, {"mark": mark}, follow=True)


@pytest.fixture
def replayed(instructor: Client, world: CourseWorld, tmp_path: Path) -> Rule:
    """A rule that was a draft, now observes, and has been replayed over one call."""
    draft = factories.make_rule(course=world.course, pattern="(?i)my\\s+homework", stage=Rule.Stage.DRAFT)
    move(instructor, draft, "observe")
    run_waiting(owners=tmp_path)
    draft.refresh_from_db()
    return draft


def test_taking_a_rule_out_of_draft_asks_for_a_replay_once(instructor: Client, world: CourseWorld) -> None:
    world.rule.move("draft")

    for stage in ("observe", "draft", "observe", "warn"):
        move(instructor, world.rule, stage)

    assert [job.params["days"] for job in Job.objects.all()] == [7]
    assert 'hx-trigger="every 1s"' in strip_of(instructor, world.rule)


def test_adding_a_rule_and_changing_its_pattern_ask_for_a_replay(instructor: Client, world: CourseWorld) -> None:
    ready = next(ready for ready in LIBRARY if ready.action == "block")
    instructor.post(reverse("admin:rules_rule_library"), {"rule": ready.slug, "course": world.course.pk})
    own = rule_form(Rule(name="own", pattern="sonnet", message="No."), course=world.course.pk)
    instructor.post(add_page(Rule), own)
    world.rule.move("observe")
    instructor.post(page_of(world.rule), rule_form(world.rule, message="Only words."))
    instructor.post(page_of(world.rule), rule_form(world.rule, pattern="essay"))

    assert Job.objects.count() == 3


def test_a_course_without_text_has_nothing_to_replay(instructor: Client, world: CourseWorld) -> None:
    Course.objects.filter(pk=world.course.pk).update(logging=Course.Logging.METADATA)
    world.rule.move("draft")

    move(instructor, world.rule, "observe")

    assert not Job.objects.exists()
    assert "1 of 1 call" in strip_of(instructor, world.rule)
    assert "By recorded hits" in strip_of(instructor, world.rule)


def test_the_strip_has_figures_and_samples(instructor: Client, replayed: Rule) -> None:
    strip = strip_of(instructor, replayed)

    assert "1 of 1 call" in strip and "1 of 1 student" in strip and "0 appeals" in strip
    assert "observed for" in strip
    assert '<mark class="stoa-hit">my homework</mark>' in strip


def test_the_evidence_stays_when_the_stage_changes(instructor: Client, replayed: Rule, world: CourseWorld) -> None:
    make_hit(world.call, replayed, "homework")

    move(instructor, replayed, "warn")

    strip = strip_of(instructor, replayed)
    assert "1 of 1 call" in strip and "warned for" in strip
    assert "over all stages: <b>1</b> call" in strip


def test_what_looks_right_becomes_an_example(instructor: Client, replayed: Rule) -> None:
    page = text_of(judge(instructor, replayed, "right"))

    replayed.refresh_from_db()
    assert replayed.examples_match == "my homework"
    assert "is now an example" in page
    assert "Looks right" not in strip_of(instructor, replayed)


def test_what_is_not_meant_cannot_be_kept_while_the_pattern_finds_it(instructor: Client, replayed: Rule) -> None:
    page = text_of(judge(instructor, replayed, "wrong"))

    replayed.refresh_from_db()
    assert replayed.examples_no_match == ""
    assert "Change the pattern first" in page
    assert 'value="Please solve my homework now"' in page


def test_what_is_not_meant_becomes_an_example_once_the_pattern_leaves_it_out(
    instructor: Client, replayed: Rule
) -> None:
    replayed.pattern = "your homework"
    replayed.save()

    judge(instructor, replayed, "wrong")

    replayed.refresh_from_db()
    assert replayed.examples_no_match == "Please solve my homework now"


def test_a_sample_whose_text_is_gone_is_not_there(instructor: Client, replayed: Rule, world: CourseWorld) -> None:
    world.call.turns.all().delete()

    assert "Looks right" not in strip_of(instructor, replayed)
    assert judge(instructor, replayed, "right").status_code == 404
    assert judge(instructor, replayed, "right", number=7).status_code == 404


def test_a_pattern_that_is_found_in_nearly_any_text_says_so_when_it_is_saved(
    instructor: Client, world: CourseWorld
) -> None:
    world.rule.move("observe")

    page = instructor.post(page_of(world.rule), rule_form(world.rule, pattern=".+"), follow=True)

    assert "found in nearly any text" in text_of(page)
    assert "found in nearly any text" in strip_of(instructor, world.rule)


def test_the_number_of_queries_does_not_grow_with_samples(
    instructor: Client, world: CourseWorld, tmp_path: Path, django_assert_max_num_queries: Any
) -> None:
    for number in range(20):
        make_call(world.student, prompt=f"solve my homework {number}")
    world.rule.move("draft")
    move(instructor, world.rule, "observe")
    run_waiting(owners=tmp_path)

    with django_assert_max_num_queries(25):
        strip_of(instructor, world.rule)
