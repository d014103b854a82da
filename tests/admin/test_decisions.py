"""Boosts, overrides and the queue of requests, as instructors work with them."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.quotas.models import AllowanceRequest, Boost, Override, RoleAllowance
from tests import factories
from tests.admin.world import CourseWorld, add_page, list_of


def messages(page: Any) -> list[str]:
    return [str(message) for message in page.context["messages"]]


@pytest.fixture
def request_for_more(world: CourseWorld) -> AllowanceRequest:
    found: AllowanceRequest = AllowanceRequest.objects.get(membership=world.student)
    return found


@pytest.mark.parametrize(("action", "state"), [("grant_chosen", "granted"), ("decline_chosen", "declined")])
def test_an_action_decides_all_that_are_chosen_once(
    action: str, state: str, instructor: Client, world: CourseWorld, request_for_more: AllowanceRequest
) -> None:
    other = factories.make_request(factories.make_student(course=world.course))
    chosen = {"action": action, "answer": "No", "_selected_action": [request_for_more.pk, other.pk]}

    first = instructor.post(list_of(AllowanceRequest), chosen, follow=True)
    second = instructor.post(list_of(AllowanceRequest), chosen, follow=True)

    assert messages(first)[0].startswith(f"2 {state}. The students see it in their usage.")
    assert messages(second)[-1] == "2 had been decided already and stay as they are."
    assert set(AllowanceRequest.objects.filter(pk__in=[request_for_more.pk, other.pk]).values_list("state")) == {
        (state,)
    }


def test_the_queue_of_another_course_is_out_of_reach(
    instructor: Client, foreign: CourseWorld, world: CourseWorld
) -> None:
    theirs = AllowanceRequest.objects.get(membership=foreign.student)

    instructor.post(list_of(AllowanceRequest), {"grant": theirs.pk})
    instructor.post(list_of(AllowanceRequest), {"action": "grant_chosen", "_selected_action": [theirs.pk]})

    theirs.refresh_from_db()
    assert theirs.state == "open"


def test_an_assistant_reads_the_queue_but_decides_nothing(
    assistant: Client, request_for_more: AllowanceRequest
) -> None:
    answer = assistant.post(reverse("admin:quotas_allowancerequest_grant", args=[request_for_more.pk]))

    request_for_more.refresh_from_db()
    assert request_for_more.state == "open"
    assert 'name="grant"' not in assistant.get(list_of(AllowanceRequest)).content.decode()
    assert answer.status_code == 404


def test_open_requests_come_first(instructor: Client, world: CourseWorld, request_for_more: AllowanceRequest) -> None:
    for _ in range(2):
        factories.make_request(factories.make_student(course=world.course), state="declined")

    listed = instructor.get(list_of(AllowanceRequest)).context["cl"].result_list

    assert [row.state for row in listed] == ["open", "declined", "declined"]


def test_a_reason_is_shown_as_text(instructor: Client, request_for_more: AllowanceRequest) -> None:
    AllowanceRequest.objects.filter(pk=request_for_more.pk).update(reason="<script>alert(1)</script>")

    page = instructor.get(list_of(AllowanceRequest)).content.decode()

    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize("model", [Boost, Override, RoleAllowance])
def test_what_is_added_is_added_on_the_page_of_the_course(
    model: type[Any], instructor: Client, world: CourseWorld, foreign: CourseWorld
) -> None:
    own, others = (instructor.get(add_page(model), {"course": one.course.pk}) for one in (world, foreign))

    assert own.headers["location"] == reverse("admin:course_allowance", args=[world.course.slug])
    assert others.headers["location"] == reverse("admin:accounts_course_changelist")


@pytest.mark.parametrize("model", [Boost, Override])
def test_an_instructor_ends_what_is_in_force(
    model: type[Boost | Override], instructor: Client, world: CourseWorld, foreign: CourseWorld
) -> None:
    mine, theirs = world.row(model), foreign.row(model)

    chosen = {"action": "end_now", "_selected_action": [mine.pk, theirs.pk]}
    page = instructor.post(list_of(model), chosen, follow=True)

    mine.refresh_from_db()
    theirs.refresh_from_db()
    assert messages(page) == ["1 ended. Limits follow within two seconds."]
    assert (mine.is_over(now=timezone.now()), theirs.is_over(now=timezone.now())) == (True, False)  # type: ignore[attr-defined]


@pytest.mark.parametrize("state", ["active", "coming", "over"])
def test_decisions_are_found_by_their_state(state: str, instructor: Client, world: CourseWorld) -> None:
    now, day, active = timezone.now(), timedelta(days=1), world.row(Boost)
    coming = factories.make_boost(course=world.course, starts_at=now + day, ends_at=now + 2 * day)
    over = factories.make_boost(course=world.course, starts_at=now - 2 * day, ends_at=now - day)

    listed = instructor.get(list_of(Boost), {"state": state}).context["cl"].result_list

    assert list(listed) == [{"active": active, "coming": coming, "over": over}[state]]
