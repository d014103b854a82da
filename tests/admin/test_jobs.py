"""How far a job is, and who may see and stop it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Membership
from apps.common.models import Job
from tests import factories
from tests.admin.conftest import sign_in
from tests.admin.world import CourseWorld, list_of, page_of

PAGE = "/admin/rules/rule/"


def make_job(**overrides: Any) -> Job:
    values: dict[str, Any] = {"kind": "walk", "title": "A long walk", "created_at": datetime.now(UTC), "page": PAGE}
    return Job.objects.create(**{**values, **overrides})


def running(**overrides: Any) -> Job:
    return make_job(**{"state": "running", "owner": "somebody", "done": 30, "total": 120, **overrides})


@pytest.fixture
def job(world: CourseWorld, teacher: Membership) -> Job:
    """Of the course, asked for by its instructor."""
    return running(course=world.course.pk, author=teacher.user.pk)


def widget(client: Client, job: Job) -> Any:
    return client.get(reverse("admin:common_job_progress", args=[job.pk]))


def cancel(client: Client, job: Job, **headers: str) -> Any:
    return client.post(reverse("admin:common_job_cancel", args=[job.pk]), headers=headers)


def text(answer: Any) -> str:
    return str(answer.content.decode())


# What it shows


def test_a_job_that_runs_shows_how_far_it_is_and_asks_again(instructor: Client, job: Job) -> None:
    shown = text(widget(instructor, job))

    assert 'role="progressbar"' in shown and 'aria-valuenow="25"' in shown
    assert "30 of 120" in shown
    assert 'hx-trigger="every 1s"' in shown and f'hx-get="/admin/common/job/{job.pk}/progress/"' in shown
    assert "<button" in shown and "csrfmiddlewaretoken" in shown
    assert "style=" not in shown and "<script" not in shown


def test_without_scripts_one_reloads(instructor: Client, job: Job) -> None:
    assert '<noscript><a class="stoa-link" href="">' in text(widget(instructor, job))


def test_a_job_that_has_ended_asks_no_more(instructor: Client, job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(state="done", owner="", started_at=job.created_at, finished_at=job.created_at)

    answer = instructor.get(reverse("admin:common_job_progress", args=[job.pk]), headers={"hx-request": "true"})

    assert answer.headers["HX-Refresh"] == "true"
    assert "hx-get" not in text(answer) and "<button" not in text(answer)


def test_a_job_that_failed_says_why_and_escapes_it(instructor: Client, world: CourseWorld, teacher: Membership) -> None:
    job = make_job(state="failed", error="<b>gone</b>", course=world.course.pk, author=teacher.user.pk)

    assert "&lt;b&gt;gone&lt;/b&gt;" in text(widget(instructor, job))


def test_a_job_that_nobody_takes_says_whom_to_ask(instructor: Client, world: CourseWorld) -> None:
    job = make_job(course=world.course.pk, created_at=datetime(2026, 1, 1, tzinfo=UTC))

    assert "No worker has taken it yet" in text(widget(instructor, job))


# Who may see it


def test_all_staff_of_its_course_see_it(assistant: Client, instructor: Client, operator: Client, job: Job) -> None:
    assert [widget(client, job).status_code for client in (assistant, instructor, operator)] == [200, 200, 200]


def test_it_does_not_exist_for_staff_of_other_courses(foreign: CourseWorld, job: Job) -> None:
    stranger = sign_in(factories.make_instructor(course=foreign.course).user)

    assert widget(stranger, job).status_code == 404
    assert cancel(stranger, job).status_code == 404


def test_students_are_sent_to_sign_in(student: Client, job: Job) -> None:
    assert widget(student, job).headers["location"].startswith(reverse("admin:login"))
    assert cancel(student, job).headers["location"].startswith(reverse("admin:login"))
    job.refresh_from_db()
    assert not job.cancel_requested


def test_who_left_the_course_sees_no_jobs_of_it_any_more(instructor: Client, teacher: Membership, job: Job) -> None:
    Membership.objects.filter(pk=teacher.pk).update(is_active=False)

    assert widget(instructor, job).status_code == 404


def test_a_job_of_no_course_is_its_author_s(instructor: Client, teacher: Membership, assistant: Client) -> None:
    job = running(author=teacher.user.pk)

    assert (widget(instructor, job).status_code, widget(assistant, job).status_code) == (200, 404)


# Who may stop it


def test_its_author_stops_it(instructor: Client, job: Job) -> None:
    answer = cancel(instructor, job)

    assert (answer.status_code, answer.headers["location"]) == (302, PAGE)
    job.refresh_from_db()
    assert job.cancel_requested
    assert "stopping" in text(widget(instructor, job)) and "<button" not in text(widget(instructor, job))


def test_with_scripts_the_widget_itself_comes_back(instructor: Client, job: Job) -> None:
    answer = cancel(instructor, job, **{"hx-request": "true"})

    assert answer.status_code == 200
    assert "stopping" in text(answer)


def test_an_assistant_stops_what_is_their_own_only(world: CourseWorld, job: Job) -> None:
    assistant = factories.make_assistant(course=world.course)
    own = running(course=world.course.pk, author=assistant.user.pk)

    answers = [cancel(sign_in(assistant.user), which).status_code for which in (job, own)]

    assert answers == [403, 302]
    assert "<button" not in text(widget(sign_in(assistant.user), job))


def test_stopping_needs_a_post_with_a_token(teacher: Membership, job: Job) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(teacher.user)

    assert cancel(strict, job).status_code == 403
    assert strict.get(reverse("admin:common_job_cancel", args=[job.pk])).status_code == 405
    job.refresh_from_db()
    assert not job.cancel_requested


# For operators


def test_operators_see_all_of_them(operator: Client, job: Job, teacher: Membership, world: CourseWorld) -> None:
    page = text(operator.get(list_of(Job)))

    assert "A long walk" in page and teacher.user.username in page and world.course.slug in page


def test_an_operator_reads_what_a_job_is(operator: Client, job: Job, world: CourseWorld) -> None:
    page = text(operator.get(page_of(job)))

    assert str(world.course) in page and "30 of 120" in page and "30 days after" in page


def test_a_job_outlives_its_course_and_its_author(operator: Client) -> None:
    job = make_job(course=987_654_321, author=987_654_321)

    page = text(operator.get(page_of(job)))

    assert "somebody who has left" in page and "deleted" in page


def test_an_operator_cancels_several(operator: Client, job: Job) -> None:
    waiting, done = make_job(), make_job(state="done")
    chosen = {"action": "cancel_selected", "_selected_action": [job.pk, waiting.pk, done.pk]}

    page = operator.post(list_of(Job), chosen, follow=True)

    assert "2 cancelled" in text(page)
    states = {row.pk: (row.state, row.cancel_requested) for row in Job.objects.all()}
    assert states == {job.pk: ("running", True), waiting.pk: ("cancelled", True), done.pk: ("done", False)}


def test_the_list_asks_as_often_for_fifty_as_for_one(
    operator: Client, job: Job, django_assert_max_num_queries: Any
) -> None:
    for _ in range(50):
        make_job(author=job.author, course=job.course)

    with django_assert_max_num_queries(12):
        operator.get(list_of(Job))
