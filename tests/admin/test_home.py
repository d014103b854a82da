"""The first page of the admin: by how many courses one has, and for operators."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Course, User
from apps.common import beats
from apps.common.health.states import Standing
from apps.providers.models import CredentialHealth
from gateway_project.health import process
from gateway_project.health.components import checkup
from tests import factories
from tests.admin.conftest import sign_in
from tests.admin.world import CourseWorld


@pytest.fixture(autouse=True)
def worker(django_db_setup: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that was seen a moment ago, on a machine that was not paused since this process began."""
    monkeypatch.setattr(process, "clock_step", lambda: 0.0)
    beats.note(settings.WORKER_BEAT)
    checkup.cache_clear()


@pytest.fixture
def person(db: None) -> User:
    return factories.make_user(is_staff=True)


def courses(person: User, number: int) -> list[Course]:
    made = Course.objects.bulk_create(Course(slug=f"many-{n}", title=f"Many {n:03}") for n in range(number))
    for course in made:
        factories.make_instructor(course=course, user=person)
    return made


def test_staff_of_one_course_come_to_it(instructor: Client, world: CourseWorld) -> None:
    first, everything = instructor.get("/admin/"), instructor.get("/admin/?all=1")

    assert first["Location"] == reverse("admin:course_today", args=[world.course.slug])
    assert "Courses this week" in everything.content.decode()


def test_staff_of_none_are_told_whom_to_ask(person: User) -> None:
    assert "Ask the operator" in sign_in(person).get("/admin/").content.decode()


def test_what_waits_comes_first(person: User) -> None:
    one, other = courses(person, 2)
    factories.make_request(factories.make_student(course=other))

    page = sign_in(person).get("/admin/")

    assert [line.course for line in page.context["lines"]] == [other, one]
    assert page.context["lines"][0].requests == 1
    queue = reverse("admin:quotas_allowancerequest_changelist")
    assert f'href="{queue}?state__exact=open&amp;course={other.pk}">1 request</a>' in page.content.decode()


def test_three_hundred_courses_are_paged_and_found(person: User, django_assert_max_num_queries: Any) -> None:
    courses(person, 300)
    client = sign_in(person)

    with django_assert_max_num_queries(25):
        first = client.get("/admin/")
    last, found, none = (client.get(f"/admin/?all=1&{query}") for query in ("p=12", "q=Many+123", "q=%25"))

    assert len(first.context["lines"]) == 25
    assert "Page 12 of 12, 300 courses" in last.content.decode()
    assert [line.course.title for line in found.context["lines"]] == ["Many 123"]
    assert "No course of yours is called that." in none.content.decode()


def test_a_line_has_the_weeks_figures(person: User) -> None:
    one, _ = courses(person, 2)
    factories.QuotaPolicy.objects.create(course=one, student_weekly_tokens=1_000)
    ada, ben = factories.make_student(course=one), factories.make_student(course=one)
    factories.make_week(ada, used=1_000)
    factories.make_week(ben, used=100)
    factories.make_call(ada, status="out_of_quota")

    [line] = [line for line in sign_in(person).get("/admin/").context["lines"] if line.course == one]

    assert (line.active, line.locked_out, line.count.calls, line.count.refused) == (2, 1, 1, 1)


def test_operators_read_that_all_is_well(operator: Client, world: CourseWorld) -> None:
    factories.make_provider()
    factories.make_call(world.student, provider="north")

    page = operator.get("/admin/")

    assert not page.context["operations"]["troubles"]
    assert "calls failed" in page.content.decode()


def test_operators_read_what_is_wrong_and_since_when(operator: Client) -> None:
    provider = factories.make_provider(name="openai-eu")
    CredentialHealth.objects.create(
        credential=provider.credentials.get(),
        standing=Standing.OUT,
        error="401, invalid_api_key",
        since=datetime.now(UTC) - timedelta(hours=1),
    )

    page = operator.get("/admin/").content.decode()

    assert "openai-eu refuses our key" in page
    assert "401, invalid_api_key" in page
    assert reverse("admin:providers_provider_change", args=[provider.pk]) in page


def test_operators_read_that_many_calls_fail(operator: Client, world: CourseWorld) -> None:
    factories.make_provider()
    for _ in range(20):
        factories.make_call(world.student, status="failed")

    [trouble, *_] = operator.get("/admin/").context["operations"]["troubles"]

    assert "of the last hour's" in trouble.sentence


def test_the_operators_page_takes_few_queries(
    operator: Client, world: CourseWorld, foreign: CourseWorld, django_assert_max_num_queries: Any
) -> None:
    for _ in range(3):
        factories.make_model(factories.make_provider(), course=factories.make_course())

    with django_assert_max_num_queries(26):
        page = operator.get("/admin/")

    assert world.course.title in page.content.decode()
