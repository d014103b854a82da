"""The queue of requests for more, and what is decided there."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Membership
from apps.common.display import number
from apps.quotas.models import AllowanceRequest
from tests import factories
from tests.admin.allowances import ALLOWANCE, a_request, left_of
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

    instructor.post(reverse("admin:quotas_allowancerequest_decline", args=[asked.pk]))

    asked.refresh_from_db()
    assert asked.state == "declined"
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

    assert "2 requests</span>" in instructor.get("/admin/?all=1").content.decode()

    AllowanceRequest.objects.filter(membership__course=world.course).update(state="declined")

    assert "requests</span>" not in instructor.get("/admin/?all=1").content.decode()


def test_the_buttons_of_a_row_say_what_they_do(
    instructor: Client, assistant: Client, world: CourseWorld, asked: AllowanceRequest
) -> None:
    page, read = (client.get(reverse(QUEUE)).content.decode() for client in (instructor, assistant))

    assert f'title="Grant {number(3_000)} tokens for {world.student.user}, this week"' in page
    assert 'name="grant"' not in read
    assert page_of_row(asked) in read


def test_many_requests_take_no_more_queries_than_one(
    instructor: Client, world: CourseWorld, asked: AllowanceRequest, django_assert_max_num_queries: Any
) -> None:
    for _ in range(40):
        a_request(factories.make_student(course=world.course))

    with django_assert_max_num_queries(17):
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


@pytest.mark.parametrize("odd", ["²", "9" * 30, "9" * 5_000, "x"])
def test_a_row_that_cannot_be_is_decided_by_nobody(instructor: Client, asked: AllowanceRequest, odd: str) -> None:
    answer = instructor.post(reverse(QUEUE), {"grant": odd})

    asked.refresh_from_db()
    assert answer.status_code in (200, 302)
    assert asked.state == "open"


def test_open_requests_come_first(instructor: Client, world: CourseWorld, asked: AllowanceRequest) -> None:
    for state in ("declined", "granted"):
        a_request(world.student, state=state)

    page = instructor.get(reverse("admin:quotas_allowancerequest_changelist"))

    assert [row.state for row in page.context["cl"].result_list] == ["open", "granted", "declined"]
