"""Who may call the staff API, and which rows exist for whom."""

from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import Membership
from tests import factories
from tests.admin.world import CourseWorld, make_call
from tests.staff_api.asking import CALLS, found, page, refusal

MISSING = "0" * 32


@pytest.mark.parametrize("address", [CALLS, f"{CALLS}/{MISSING}", "/api/staff/nothing", "/api/staff", "/api/staff/"])
def test_strangers_are_asked_to_sign_in(address: str, db: None) -> None:
    answer = Client().get(address)

    assert answer.status_code == 401
    assert refusal(answer)["code"] == "not_signed_in"
    assert answer.headers["www-authenticate"].startswith("Session")


@pytest.mark.parametrize("address", [CALLS, f"{CALLS}/{MISSING}", "/api/staff/nothing"])
def test_students_are_refused(address: str, student: Client) -> None:
    answer = student.get(address)

    assert answer.status_code == 403
    assert refusal(answer)["code"] == "staff_only"


def test_an_api_key_opens_nothing(world: CourseWorld) -> None:
    answer = Client().get(CALLS, headers={"authorization": f"Bearer {world.key_text}"})

    assert answer.status_code == 401


def test_staff_who_were_deactivated_are_strangers(instructor: Client, teacher: Membership) -> None:
    teacher.user.is_active = False
    teacher.user.save()

    assert instructor.get(CALLS).status_code == 401


def test_staff_who_were_demoted_are_refused(instructor: Client, teacher: Membership) -> None:
    teacher.user.is_staff = False
    teacher.user.save()

    assert instructor.get(CALLS).status_code == 403


def test_membership_that_was_ended_ends_access(instructor: Client, teacher: Membership, world: CourseWorld) -> None:
    Membership.objects.filter(pk=teacher.pk).update(is_active=False)

    assert found(instructor) == []
    assert instructor.get(f"{CALLS}/{world.call.pk}").status_code == 404


def test_a_student_of_one_course_who_teaches_another_sees_only_the_other(
    instructor: Client, teacher: Membership, world: CourseWorld, foreign: CourseWorld
) -> None:
    factories.make_student(course=foreign.course, user=teacher.user)

    assert found(instructor) == [world.call.pk]


@pytest.mark.parametrize("missing", [MISSING, "f" * 31, "not-an-id", "%00", "../calls", "x" * 3000])
def test_a_foreign_call_is_answered_like_one_that_does_not_exist(
    missing: str, instructor: Client, foreign: CourseWorld
) -> None:
    answers = [instructor.get(f"{CALLS}/{name}") for name in (foreign.call.pk, missing)]

    bodies = [answer.content.replace(refusal(answer)["request_id"].encode(), b"") for answer in answers]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert bodies[0] == bodies[1]
    assert _headers(answers[0]) == _headers(answers[1])


def _headers(answer: Any) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in ("x-request-id", "Allow")}


def test_no_filter_finds_a_foreign_call(instructor: Client, foreign: CourseWorld) -> None:
    queries = [
        {"course": foreign.course.slug},
        {"member": foreign.student.external_id},
        {"rule": foreign.rule.name},
        {"search": foreign.call.pk},
        {"search": foreign.student.external_id},
        {"search": foreign.student.user.email},
    ]

    assert [query for query in queries if found(instructor, **query)] == []


def test_a_cursor_of_somebody_else_opens_no_rows(
    instructor: Client, operator: Client, world: CourseWorld, foreign: CourseWorld
) -> None:
    make_call(world.student)
    older = page(operator, page_size=1)["next"].replace("page_size=1", "page_size=200")

    seen, leaked = (
        foreign.call.pk in [call["id"] for call in page(client, older)["results"]] for client in (operator, instructor)
    )

    assert (seen, leaked) == (True, False)


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options"])
@pytest.mark.parametrize("address", [CALLS, f"{CALLS}/{MISSING}"])
def test_calls_can_only_be_read(address: str, method: str, operator: Client, world: CourseWorld) -> None:
    answer = getattr(operator, method)(address)

    assert answer.status_code == 405
    assert refusal(answer)["code"] == "method_not_allowed"
    assert answer.headers["allow"] == "GET, HEAD"


def test_what_would_change_something_needs_the_csrf_token(world: CourseWorld) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(factories.make_operator())

    answer = client.post(CALLS)

    assert answer.status_code == 403
    assert refusal(answer)["code"] == "csrf_failed"


def test_nothing_in_between_may_keep_what_staff_see(instructor: Client, world: CourseWorld) -> None:
    assert instructor.get(CALLS).headers["cache-control"] == "no-store"
