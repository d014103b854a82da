"""One page for who gets what in a course: each change has its form there, in the course's words and time zone."""

from datetime import UTC, datetime

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Membership
from apps.common.display import number
from apps.quotas import decisions
from apps.quotas.models import AllowanceRequest, QuotaPolicy
from tests import factories
from tests.admin.conftest import sign_in
from tests.admin.world import CourseWorld, make_world
from tests.admin.world import page_of as page_of_row

pytestmark = pytest.mark.usefixtures("plain_allowance")
BOOST = {"factor": "1.5", "starts_at": "2030-01-01T12:00", "ends_at": "2030-01-03T12:00", "reason": "Deadline"}


def page_of(world: CourseWorld) -> str:
    return reverse("admin:course_allowance", args=[world.course.slug])


def form_of(world: CourseWorld, part: str) -> str:
    return reverse("admin:course_allowance_change", args=[world.course.slug, part])


def everyone(world: CourseWorld, **overrides: object) -> dict[str, object]:
    policy = world.course.quota_policy
    names = ("late_joiners", "after_exhaustion", "default_output_tokens", "least_output_tokens")
    values = {name: getattr(policy, name) for name in (*names, "fallback_student_weekly_tokens")}
    return {**values, "student_weekly_tokens": 700, **overrides}


def test_each_line_has_a_form_that_does_it(instructor: Client, world: CourseWorld) -> None:
    world.course.role_allowances.all().delete()
    sent = {
        "everyone": everyone(world),
        "role": {"role": "assistant", "weekly_tokens": 5_000},
        "student": {"student-student": world.student.pk, "student-weekly_tokens": 9_000, "student-reason": "Thesis"},
        "boost": BOOST,
    }

    statuses = [instructor.post(form_of(world, part), values).status_code for part, values in sent.items()]

    page = instructor.get(page_of(world)).content.decode()
    assert statuses == [302] * 4
    assert all(number(tokens) in page for tokens in (700, 5_000, 9_000))
    assert "Thesis" in page and "Deadline" in page


def test_the_limits_of_a_role_stay_unless_they_are_named(instructor: Client, world: CourseWorld) -> None:
    row = world.course.role_allowances.get()
    sent = {"role": row.role, "weekly_tokens": 5_000}
    instructor.post(form_of(world, "role"), {**sent, "requests_per_minute": 7})

    instructor.post(form_of(world, "role"), {**sent, "weekly_tokens": 6_000, "concurrent_requests": 2})

    row.refresh_from_db()
    assert (row.weekly_tokens, row.requests_per_minute, row.concurrent_requests) == (6_000, 7, 2)
    assert instructor.get(page_of_row(row))["Location"] == f"{page_of(world)}#role"


def test_each_line_can_be_ended_once(instructor: Client, world: CourseWorld) -> None:
    boost, override = factories.make_boost(course=world.course), factories.make_override(world.student)
    role = world.course.role_allowances.get()

    for part, row in (("boost", boost), ("student", override), ("role", role)):
        address = reverse("admin:course_allowance_end", args=[world.course.slug, part, row.pk])
        assert instructor.post(address).status_code == 302

    again = reverse("admin:course_allowance_end", args=[world.course.slug, "boost", boost.pk])
    assert "had ended before" in instructor.post(again, follow=True).content.decode()
    assert not world.course.boosts.filter(ended_at=None).exists()
    assert not world.student.overrides.filter(ended_at=None).exists()
    assert not world.course.role_allowances.exists()


def test_a_boost_is_in_the_courses_time_zone_and_set_once(instructor: Client, world: CourseWorld) -> None:
    world.course.timezone = "Asia/Kathmandu"
    world.course.save()

    for _ in range(2):
        instructor.post(form_of(world, "boost"), BOOST)

    assert world.course.boosts.get().starts_at == datetime(2030, 1, 1, 6, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("part", "values", "wrong"),
    [
        ("boost", {**BOOST, "ends_at": "2029-01-01T12:00"}, "A boost ends after it starts"),
        ("role", {"role": "student", "weekly_tokens": 5}, "Select a valid choice"),
        ("student", {"student-weekly_tokens": 5, "student-reason": "x"}, "This field is required"),
        ("everyone", {"after_exhaustion": "fallback"}, "name the model that answers"),
        ("everyone", {"fallback_model": "nobody-has-this"}, "Select a valid choice"),
    ],
)
def test_a_wrong_form_opens_again_and_changes_nothing(
    part: str, values: dict[str, object], wrong: str, instructor: Client, world: CourseWorld
) -> None:
    sent = everyone(world, **values) if part == "everyone" else values

    page = instructor.post(form_of(world, part), sent)

    assert page.status_code == 200
    assert wrong in page.content.decode()
    assert QuotaPolicy.objects.get(course=world.course).student_weekly_tokens == 10_000


def test_two_tabs_on_two_courses_change_their_own(world: CourseWorld) -> None:
    other, person = make_world(), factories.make_user(is_staff=True)
    for one in (world, other):
        factories.make_instructor(course=one.course, user=person)
    both = sign_in(person)
    both.get(page_of(world))
    both.get(page_of(other))

    both.post(form_of(world, "everyone"), everyone(world))

    found = {one.course: QuotaPolicy.objects.get(course=one.course).student_weekly_tokens for one in (world, other)}
    assert found[world.course] == 700
    assert found[other.course] != 700
    strange = {"student-student": other.student.pk, "student-weekly_tokens": 1, "student-reason": "x"}
    assert "Select a valid choice" in both.post(form_of(world, "student"), strange).content.decode()


def test_others_change_nothing(assistant: Client, instructor: Client, world: CourseWorld, foreign: CourseWorld) -> None:
    for part in ("everyone", "role", "student", "boost"):
        assert assistant.post(form_of(world, part), {}).status_code == 403
        assert instructor.post(form_of(foreign, part), {}).status_code == 404
    page = assistant.get(page_of(world)).content.decode()
    assert "/allowance/everyone/" not in page


def test_a_request_is_decided_there_and_one_comes_back(
    instructor: Client, world: CourseWorld, asked: AllowanceRequest
) -> None:
    page = instructor.get(page_of(world)).content.decode()
    values = {"decision": "grant", "tokens": 3_000, "next": page_of(world)}

    answer = instructor.post(reverse("admin:course_decide", args=[world.course.slug, asked.pk]), values)

    assert f"Grant {number(3_000)} (what was asked for)" in page
    assert answer.headers["location"] == page_of(world)


def test_the_page_takes_few_queries(
    instructor: Client, teacher: Membership, world: CourseWorld, django_assert_max_num_queries: object
) -> None:
    students = [factories.make_student(course=world.course) for _ in range(12)]
    for student in students:
        factories.make_override(student)
        factories.make_boost(course=world.course)
        factories.make_request(student)
    now = datetime.now(UTC)
    decisions.grant(students, tokens=1, reason="x", by=teacher.user, now=now)

    with django_assert_max_num_queries(33):  # type: ignore[operator]
        assert instructor.get(page_of(world)).status_code == 200
