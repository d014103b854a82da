"""The queue of requests for more, and what is decided there."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import Membership
from apps.common.display import number
from apps.quotas import requests
from apps.quotas.models import AllowanceRequest, QuotaPolicy
from tests import factories
from tests.admin.allowances import ALLOWANCE, a_request, left_of, undo_button
from tests.admin.world import CourseWorld
from tests.admin.world import page_of as page_of_row

pytestmark = pytest.mark.usefixtures("plain_allowance")
QUEUE = "admin:quotas_allowancerequest_changelist"


def test_one_click_grants_what_was_asked_for(instructor: Client, world: CourseWorld, asked: AllowanceRequest) -> None:
    before = left_of(world.student)

    for _ in range(2):
        instructor.post(reverse("admin:quotas_allowancerequest_grant", args=[asked.pk]))

    asked.refresh_from_db()
    assert (asked.state, asked.granted_tokens) == ("granted", 3_000)
    assert left_of(world.student) == before + 3_000


def test_another_amount_is_granted_with_an_answer(
    instructor: Client, asked: AllowanceRequest, teacher: Membership
) -> None:
    instructor.post(
        reverse("admin:quotas_allowancerequest_grant", args=[asked.pk]), {"tokens": "500", "answer": "For now"}
    )

    asked.refresh_from_db()
    assert (asked.granted_tokens, asked.answer, asked.decided_by) == (500, "For now", teacher.user)


def test_a_declined_request_moves_nothing(instructor: Client, world: CourseWorld, asked: AllowanceRequest) -> None:
    before = left_of(world.student)

    address = reverse("admin:quotas_allowancerequest_decline", args=[asked.pk])
    silent = instructor.post(address, {"answer": "  "}, follow=True).content.decode()
    asked.refresh_from_db()
    assert (asked.state, "Write the student a sentence" in silent) == ("open", True)

    instructor.post(address, {"answer": "Ask in class"})

    asked.refresh_from_db()
    assert (asked.state, asked.answer) == ("declined", "Ask in class")
    assert left_of(world.student) == before


def test_the_queue_tells_what_is_left_beside_what_is_asked_for(
    instructor: Client, world: CourseWorld, asked: AllowanceRequest
) -> None:
    for address in (reverse(QUEUE), page_of_row(asked)):
        page = instructor.get(address).content.decode()

        assert f"{number(3_000)} tokens" in page
        assert f"{number(ALLOWANCE - world.week.used)} of {number(ALLOWANCE)}" in page


def test_the_overview_says_how_many_requests_wait(
    instructor: Client, world: CourseWorld, foreign: CourseWorld, asked: AllowanceRequest
) -> None:
    a_request(factories.make_student(course=world.course))

    assert "2 requests</a>" in instructor.get("/admin/?all=1").content.decode()

    AllowanceRequest.objects.filter(membership__course=world.course).update(state="declined")

    assert "2 requests</a>" not in instructor.get("/admin/?all=1").content.decode()


def test_the_buttons_of_a_row_say_what_they_do(
    instructor: Client, assistant: Client, world: CourseWorld, asked: AllowanceRequest
) -> None:
    page, read = (client.get(reverse(QUEUE)).content.decode() for client in (instructor, assistant))

    assert f'title="Grant {number(3_000)} tokens for {world.student.user}, this week"' in page
    assert f">Grant {number(3_000)}</button>" in page
    assert 'name="tokens"' not in read
    assert page_of_row(asked) in read


def test_many_requests_take_no_more_queries_than_one(
    instructor: Client, world: CourseWorld, asked: AllowanceRequest, django_assert_max_num_queries: Any
) -> None:
    for _ in range(40):
        a_request(factories.make_student(course=world.course))

    with django_assert_max_num_queries(25):
        instructor.get(reverse(QUEUE))


@pytest.mark.parametrize(
    "values",
    [
        {"tokens": "0"},
        {"tokens": "-5"},
        {"tokens": "9" * 40},
        {"tokens": "²"},
        {"answer": "x" * 1_001},
        {"answer": "\x00"},
    ],
)
def test_a_wrong_answer_to_a_request_says_so_and_decides_nothing(
    instructor: Client, asked: AllowanceRequest, values: dict[str, str]
) -> None:
    answer = instructor.post(reverse("admin:quotas_allowancerequest_grant", args=[asked.pk]), values, follow=True)

    asked.refresh_from_db()
    assert asked.state == "open"
    assert {"tokens": "Tokens to grant:", "answer": "Answer:"}[next(iter(values))] in answer.content.decode()


def test_many_are_declined_with_one_sentence(instructor: Client, world: CourseWorld, asked: AllowanceRequest) -> None:
    chosen = {"action": "decline_chosen", "_selected_action": [asked.pk]}

    page = instructor.post(reverse(QUEUE), chosen).content.decode()
    asked.refresh_from_db()
    state = asked.state
    instructor.post(reverse(QUEUE), {**chosen, "answer": "The week is full."})

    asked.refresh_from_db()
    assert (state, "Why, in a sentence" in page) == ("open", True)
    assert (asked.state, asked.answer) == ("declined", "The week is full.")


def test_what_a_colleague_decided_meanwhile_is_said(
    instructor: Client, asked: AllowanceRequest, teacher: Membership
) -> None:
    colleague = factories.make_instructor(
        course=teacher.course, user=factories.make_user(first_name="Wei Li", is_staff=True)
    )
    requests.grant(asked, by=colleague.user, now=timezone.now(), tokens=500, answer="For now")

    address = reverse("admin:quotas_allowancerequest_grant", args=[asked.pk])
    page = instructor.post(address, {"tokens": "700"}, follow=True).content.decode()

    assert "granted 500 tokens in the meantime" in page
    assert str(colleague.user) in page


def test_who_has_least_left_comes_first(instructor: Client, world: CourseWorld, asked: AllowanceRequest) -> None:
    low = factories.make_student(course=world.course)
    factories.make_week(low, used=ALLOWANCE - 3)
    needy = a_request(low)
    a_request(factories.make_student(course=world.course))

    rows = instructor.get(reverse(QUEUE)).context["cl"].result_list

    assert [row.pk for row in rows][:2] == [needy.pk, asked.pk]


def test_the_requests_of_a_course_stand_together(operator: Client, world: CourseWorld, foreign: CourseWorld) -> None:
    AllowanceRequest.objects.all().delete()
    low, full = (factories.make_student(course=world.course) for _ in range(2))
    factories.make_week(low, used=ALLOWANCE - 3)
    later, needy, other = a_request(full), a_request(low), a_request(foreign.student)

    page = operator.get(reverse(QUEUE))

    rows = page.context["cl"].result_list
    assert [row.pk for row in rows] == [needy.pk, later.pk, other.pk]
    assert [row.heading for row in rows] == [world.course, None, foreign.course]
    assert page.content.decode().count('class="stoa-group"') == 2


def test_several_that_are_granted_at_once_can_be_undone(
    instructor: Client, world: CourseWorld, asked: AllowanceRequest
) -> None:
    other = a_request(factories.make_student(course=world.course))
    before = left_of(world.student)
    chosen = {"action": "grant_chosen", "_selected_action": [asked.pk, other.pk]}

    page = instructor.post(reverse(QUEUE), chosen, follow=True).content.decode()
    instructor.post(reverse("admin:course_undo", args=[world.course.slug]), undo_button(page))

    assert left_of(world.student) == before
    assert set(AllowanceRequest.objects.filter(pk__in=[asked.pk, other.pk]).values_list("state")) == {("open",)}


def test_more_than_the_course_has_is_not_granted_at_once(
    instructor: Client, world: CourseWorld, asked: AllowanceRequest
) -> None:
    QuotaPolicy.objects.filter(course=world.course).update(weekly_tokens=2_999)
    chosen = {"action": "grant_chosen", "_selected_action": [asked.pk]}

    page = instructor.post(reverse(QUEUE), chosen, follow=True).content.decode()

    asked.refresh_from_db()
    assert (asked.state, "more than the course has left" in page) == ("open", True)


def test_open_requests_come_first(instructor: Client, world: CourseWorld, asked: AllowanceRequest) -> None:
    for state in ("declined", "granted"):
        a_request(world.student, state=state)

    page = instructor.get(reverse("admin:quotas_allowancerequest_changelist"))

    assert [row.state for row in page.context["cl"].result_list] == ["open", "granted", "declined"]
