"""Nothing ends a course by accident: an allowance stays, a course is closed, and confirmations say what stops."""

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import AuditEntry, Course
from apps.quotas.models import QuotaPolicy
from tests import factories
from tests.admin.world import CourseWorld, list_of, page_of


@pytest.mark.parametrize("who", ["instructor", "operator"])
def test_an_allowance_is_deleted_by_nobody(
    who: str, request: pytest.FixtureRequest, world: CourseWorld, instructor: Client
) -> None:
    client: Client = request.getfixturevalue(who)
    policy = world.course.quota_policy

    one = client.post(page_of(policy, "delete"), {"post": "yes"})
    many = {"action": "delete_selected", "_selected_action": [policy.pk], "post": "yes"}
    client.post(list_of(QuotaPolicy), many)

    assert one.status_code == 403
    assert QuotaPolicy.objects.filter(pk=policy.pk).exists()
    page = client.get(reverse("admin:course_allowance", args=[world.course.slug])).content.decode()
    assert page_of(policy, "delete") not in page


def test_closing_a_course_says_first_what_stops_for_whom(instructor: Client, world: CourseWorld) -> None:
    for _ in range(2):
        factories.make_student(course=world.course)
    address = reverse("admin:course_close", args=[world.course.slug])

    page = instructor.get(address).content.decode()

    assert "3 students cannot ask any more" in page
    assert "Keys and conversations stay" in page
    assert "Close the course" in page
    assert Course.objects.get(pk=world.course.pk).is_open


def test_a_course_is_closed_and_opened_once_and_both_are_in_the_audit_log(
    instructor: Client, world: CourseWorld
) -> None:
    close, reopen = (reverse(f"admin:course_{verb}", args=[world.course.slug]) for verb in ("close", "open"))

    answers = [instructor.post(close, follow=True).content.decode() for _ in range(2)]
    is_closed = not Course.objects.get(pk=world.course.pk).is_open
    opened = instructor.post(reopen, follow=True).content.decode()

    assert is_closed and Course.objects.get(pk=world.course.pk).is_open
    assert "is closed. Students cannot ask any more" in answers[0]
    assert "was closed before" in answers[1]
    assert "is open" in opened
    about = AuditEntry.objects.filter(object_type="accounts.course", object_id=str(world.course.pk))
    assert about.filter(action="course.changed").count() == 2


def test_assistants_and_others_close_nothing(
    assistant: Client, instructor: Client, world: CourseWorld, foreign: CourseWorld
) -> None:
    assert assistant.post(reverse("admin:course_close", args=[world.course.slug])).status_code == 403
    assert instructor.post(reverse("admin:course_close", args=[foreign.course.slug])).status_code == 404

    assert Course.objects.filter(is_open=True).count() == 2


def test_deleting_names_the_verb_and_what_stops(instructor: Client, world: CourseWorld) -> None:
    page = instructor.get(page_of(world.rule, "delete")).content.decode()

    assert "Delete rule</button>" in page
    assert "sure" not in page
    assert "1 refusal a week stops" in page


def test_a_course_without_an_allowance_says_so_to_its_staff(operator: Client, instructor: Client) -> None:
    course = factories.make_course(allowance=None)
    said = "has no allowance"

    for page in ("today", "allowance"):
        assert said in operator.get(reverse(f"admin:course_{page}", args=[course.slug])).content.decode()
