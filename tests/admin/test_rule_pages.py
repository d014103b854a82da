"""What a rule found, and what it would have found, in the admin."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Course
from apps.common.jobs import MOST_WAITING, run_waiting
from apps.common.models import Job
from apps.rules.models import Rule
from tests import factories
from tests.admin.conftest import sign_in
from tests.admin.world import CourseWorld, make_call, make_hit, page_of


def replay_page(rule: Rule) -> str:
    return reverse("admin:conversations_replay", args=[rule.pk])


def activity_page(rule: Rule) -> str:
    return reverse("admin:conversations_rule_activity", args=[rule.pk])


def text(answer: Any) -> str:
    return str(answer.content.decode())


@pytest.fixture
def owners(tmp_path: Path) -> Path:
    return tmp_path


# Replay


def test_an_instructor_replays_a_draft_and_reads_what_it_would_have_found(
    instructor: Client, world: CourseWorld, owners: Path
) -> None:
    draft = factories.make_rule(course=world.course, pattern="(?i)MY HOMEWORK", stage=Rule.Stage.DRAFT)

    asked = instructor.post(replay_page(draft), {"days": "7"}, follow=True)
    run_waiting(owners=owners)
    page = text(instructor.get(asked.redirect_chain[-1][0]))

    assert 'role="progressbar"' in text(asked)
    assert '<mark class="stoa-hit">my homework</mark>' in page
    assert page_of(world.call) in page
    assert "100 %" in page and "1 of 1" in page


def test_what_was_found_is_escaped(instructor: Client, world: CourseWorld, owners: Path) -> None:
    make_call(world.student, prompt="<script>alert(1)</script> solve my homework")

    instructor.post(replay_page(world.rule), {"days": "30"})
    run_waiting(owners=owners)
    page = text(instructor.get(replay_page(world.rule)))

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page and "<script>alert" not in page


def test_a_rule_that_was_changed_since_says_so(instructor: Client, world: CourseWorld, owners: Path) -> None:
    instructor.post(replay_page(world.rule), {"days": "7"})
    run_waiting(owners=owners)
    world.rule.pattern = "essay"
    world.rule.save()

    assert "The rule has been changed since" in text(instructor.get(replay_page(world.rule)))


def test_a_rule_that_was_only_moved_since_finds_the_same(instructor: Client, world: CourseWorld, owners: Path) -> None:
    instructor.post(replay_page(world.rule), {"days": "7"})
    run_waiting(owners=owners)
    world.rule.move("warn")

    page = text(instructor.get(replay_page(world.rule)))

    assert "1 of 1" in page
    assert "The rule has been changed since" not in page


def test_a_rule_with_hours_says_how_much_came_in_them(instructor: Client, world: CourseWorld, owners: Path) -> None:
    Rule.objects.filter(pk=world.rule.pk).update(starts_at=datetime(2999, 1, 1, tzinfo=UTC))
    instructor.post(replay_page(world.rule), {"days": "7"})
    run_waiting(owners=owners)

    assert "0 of the calls hit came within the dates and hours" in text(instructor.get(replay_page(world.rule)))


def test_pressing_twice_asks_once(instructor: Client, world: CourseWorld) -> None:
    for _ in range(2):
        instructor.post(replay_page(world.rule), {"days": "7"})

    assert Job.objects.count() == 1


@pytest.mark.parametrize("days", ["", "8", "all", "7 "])
def test_only_the_spans_on_offer_are_replayed(days: str, instructor: Client, world: CourseWorld) -> None:
    page = instructor.post(replay_page(world.rule), {"days": days}, follow=True)

    assert "Choose over how many days" in text(page)
    assert not Job.objects.exists()


def test_who_has_too_many_jobs_is_told(instructor: Client, world: CourseWorld) -> None:
    for _ in range(MOST_WAITING):
        instructor.post(replay_page(factories.make_rule(course=world.course)), {"days": "7"})

    page = instructor.post(replay_page(world.rule), {"days": "7"}, follow=True)

    assert "of your jobs wait already" in text(page)


@pytest.mark.parametrize(
    ("logging", "said"), [("metadata", "This course keeps no text"), ("off", "keeps neither text nor rule hits")]
)
def test_a_course_that_keeps_no_text_says_so(
    logging: str, said: str, instructor: Client, world: CourseWorld, owners: Path
) -> None:
    Course.objects.filter(pk=world.course.pk).update(logging=logging)
    world.call.turns.all().delete()

    instructor.post(replay_page(world.rule), {"days": "7"})
    run_waiting(owners=owners)
    page = text(instructor.get(replay_page(world.rule)))

    assert said in page
    assert "There was no text to look at" in page and "1 more call of that time has no text" in page


def test_assistants_read_and_so_may_replay(assistant: Client, world: CourseWorld) -> None:
    answer = assistant.post(replay_page(world.rule), {"days": "7"})

    assert answer.status_code == 302
    assert Job.objects.get().course == world.course.pk


@pytest.mark.parametrize("page", [replay_page, activity_page])
def test_a_rule_of_another_course_does_not_exist(page: Any, instructor: Client, foreign: CourseWorld) -> None:
    strange = sign_in(factories.make_assistant(course=factories.make_course()).user)

    for client in (instructor, strange):
        assert client.get(page(foreign.rule)).status_code == 404
        assert client.post(page(foreign.rule), {"days": "7"}).status_code == 404
    assert not Job.objects.exists()


@pytest.mark.parametrize("page", [replay_page, activity_page])
def test_rules_of_the_institution_are_for_operators(
    page: Any, instructor: Client, operator: Client, world: CourseWorld
) -> None:
    Rule.objects.filter(pk=world.rule.pk).update(course=None)

    assert (instructor.get(page(world.rule)).status_code, operator.get(page(world.rule)).status_code) == (404, 200)


@pytest.mark.parametrize("page", [replay_page, activity_page])
def test_students_are_sent_to_sign_in(page: Any, student: Client, world: CourseWorld) -> None:
    assert student.get(page(world.rule)).headers["location"].startswith(reverse("admin:login"))


def test_the_replay_of_another_rule_is_not_shown(instructor: Client, world: CourseWorld) -> None:
    other = factories.make_rule(course=world.course)
    instructor.post(replay_page(other), {"days": "7"})
    job = Job.objects.get()

    page = text(instructor.get(replay_page(world.rule), {"job": job.pk}))

    assert job.title not in page


def test_a_replay_with_many_samples_asks_no_more_often(
    instructor: Client, world: CourseWorld, owners: Path, django_assert_max_num_queries: Any
) -> None:
    for _ in range(30):
        make_call(world.student, prompt="solve my homework")
    instructor.post(replay_page(world.rule), {"days": "7"})
    run_waiting(owners=owners)

    with django_assert_max_num_queries(14):
        page = text(instructor.get(replay_page(world.rule)))

    assert "20 samples of 31" in page


# Activity


def test_what_a_rule_found_is_drawn_and_listed(instructor: Client, world: CourseWorld) -> None:
    page = text(instructor.get(activity_page(world.rule)))

    today = datetime.now(UTC).date()
    assert '<rect class="blocked"' in page and 'role="img"' in page
    assert f'<th scope="row">{today.isoformat()}</th><td class="right">1</td>' in page
    assert page_of(world.call) in page
    assert "style=" not in page.split("stoa-chart", 1)[1].split("</figure>")[0]


def test_a_rule_that_found_nothing_says_so(instructor: Client, world: CourseWorld) -> None:
    quiet = factories.make_rule(course=world.course, stage=Rule.Stage.OBSERVE)
    draft = factories.make_rule(course=world.course, stage=Rule.Stage.DRAFT)

    assert "Nothing in the last 30 days" in text(instructor.get(activity_page(quiet)))
    assert "Replay it" in text(instructor.get(activity_page(draft)))


def test_activity_asks_as_often_for_many_hits_as_for_one(
    instructor: Client, world: CourseWorld, django_assert_max_num_queries: Any
) -> None:
    for _ in range(25):
        make_hit(make_call(world.student, prompt="solve my homework"), world.rule, "homework")

    with django_assert_max_num_queries(15):
        instructor.get(activity_page(world.rule))
