"""The students of a course on one page, and each on a page of their own."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import Course, Membership
from apps.common.display import number
from apps.common.ids import first_id
from apps.conversations.models import Call
from apps.quotas.models import QuotaPolicy
from tests import factories
from tests.admin.allowances import ALLOWANCE, page_of, students_of
from tests.admin.world import CourseWorld, add_page, list_of, make_call
from tests.admin.world import page_of as page_of_row

pytestmark = pytest.mark.usefixtures("plain_allowance")


def refused(member: Membership) -> Call:
    at = timezone.now() + timedelta(seconds=1)  # after everything that the test set up
    return make_call(member, id=first_id(at), started_at=at, status=Call.Status.OUT_OF_QUOTA, charged=0)


def counts(page: Any) -> dict[str, int]:
    return {label: count for _, label, count in page.context["tabs"]}


def test_who_is_locked_out_comes_first_with_since_when_and_grant(
    instructor: Client, assistant: Client, world: CourseWorld
) -> None:
    wei = factories.make_student(course=world.course)
    call = refused(wei)

    page = instructor.get(f"{students_of(world)}?state=out")

    grant = reverse("admin:quotas_decide", args=[world.course.pk, "grant"])
    text = page.content.decode()
    assert [row.member for row in page.context["page"]] == [wei]
    assert counts(page)["Locked out"] == 1
    assert f"{call.started_at:%H:%M}" in text
    assert f"{grant}?member={wei.pk}&amp;next=" in text
    assert f"{grant}?member=" not in assistant.get(f"{students_of(world)}?state=out").content.decode()


def test_everybody_is_under_one_tab(instructor: Client, world: CourseWorld) -> None:
    make_call(world.student, charged=100)
    near = factories.make_ada(course=world.course)
    factories.make_week(near, used=ALLOWANCE - 200)
    factories.make_ada(course=world.course)
    factories.make_mia(course=world.course)
    gone = factories.make_student(course=world.course, is_active=False)

    page = instructor.get(students_of(world))

    assert counts(page) == {
        "Locked out": 0, "All": 5, "Near": 1, "No key": 1, "Key never used": 1, "Fine": 2, "Deactivated": 1,
    }  # fmt: skip
    assert gone not in [row.member for row in page.context["page"]]
    assert [row.member for row in instructor.get(f"{students_of(world)}?state=inactive").context["page"]] == [gone]


def test_the_page_says_what_the_course_has_left(instructor: Client, world: CourseWorld) -> None:
    QuotaPolicy.objects.filter(course=world.course).update(weekly_tokens=50_000)

    page = instructor.get(students_of(world)).content.decode()

    assert f"<b>{number(50_000)}</b> of {number(50_000)} left for" in page
    assert f"about {ALLOWANCE // 33 // 10 * 10} answers of echo" in page


def test_a_course_without_students_says_what_to_do(operator: Client) -> None:
    course = factories.make_course()

    page = operator.get(reverse("admin:course_students", args=[course.slug])).content.decode()

    assert "No students yet" in page
    assert f'{add_page(Membership)}?course={course.pk}">Add student</a>' in page


def test_long_titles_and_names_that_run_from_right_to_left(instructor: Client, world: CourseWorld) -> None:
    Course.objects.filter(pk=world.course.pk).update(title="T" * 200)
    user = factories.make_user(first_name="עדה", last_name="כהן <b>")
    factories.make_student(course=world.course, user=user)

    page = instructor.get(students_of(world)).content.decode()

    assert "<bdi>עדה כהן &lt;b&gt;</bdi>" in page


def test_old_addresses_lead_to_the_pages(instructor: Client, world: CourseWorld) -> None:
    old = {
        f"/admin/quotas/quotapolicy/course/{world.course.pk}/?state=out": f"{students_of(world)}?state=out",
        f"/admin/quotas/quotapolicy/student/{world.student.pk}/": page_of(world.student),
    }

    assert {address: instructor.get(address).url for address in old} == old


# One student


def test_a_student_of_another_course_is_not_found_under_this_one(
    operator: Client, world: CourseWorld, foreign: CourseWorld
) -> None:
    address = reverse("admin:course_student", args=[world.course.slug, foreign.student.pk])

    assert operator.get(address).status_code == 404


def test_the_page_of_a_student_has_everything_about_them(
    instructor: Client, world: CourseWorld, django_assert_max_num_queries: Any
) -> None:
    instructor.get(page_of(world.student))
    with django_assert_max_num_queries(25):
        page = instructor.get(page_of(world.student)).content.decode()

    limit = f"{number(ALLOWANCE)} + 0 granted = {number(ALLOWANCE)}"
    conversations = f"{reverse('admin:course_conversations', args=[world.course.slug])}?student={world.student.pk}"
    for said in (limit, conversations, world.key_text[-4:], "home economics", "Ledger, line by line"):
        assert said in page, said


# Leaving


def leave(member: Membership, name: str = "deactivate") -> str:
    return reverse(f"admin:accounts_membership_{name}", args=[member.pk])


def test_a_student_is_deactivated_and_taken_back(instructor: Client, world: CourseWorld) -> None:
    asked = instructor.get(leave(world.student)).content.decode()
    instructor.post(leave(world.student), {"confirmed": "yes"})
    world.student.refresh_from_db()
    was_active = world.student.is_active
    instructor.post(leave(world.student, "activate"), {"confirmed": "yes"})

    world.student.refresh_from_db()
    assert "1 valid key is refused within two seconds" in asked
    assert (was_active, world.student.is_active) == (False, True)


def test_who_has_asked_something_is_not_deleted(operator: Client, world: CourseWorld) -> None:
    answer = operator.post(page_of_row(world.student, "delete"), {"post": "yes"}, follow=True)

    assert "Deactivate the student instead; what they did stays." in answer.content.decode()
    assert Membership.objects.filter(pk=world.student.pk).exists()


def test_who_has_done_nothing_is_deleted_one_at_a_time(instructor: Client, world: CourseWorld) -> None:
    mia = factories.make_mia(course=world.course)

    instructor.post(list_of(Membership), {"action": "delete_selected", "_selected_action": [mia.pk], "post": "yes"})
    assert Membership.objects.filter(pk=mia.pk).exists()
    instructor.post(page_of_row(mia, "delete"), {"post": "yes"})

    assert not Membership.objects.filter(pk=mia.pk).exists()
