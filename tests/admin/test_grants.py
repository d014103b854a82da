"""A grant with its context: what is left, a question when the course cannot pay for it, and ten seconds to undo it."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import Membership
from apps.common.display import number
from apps.quotas import decisions, requests
from apps.quotas.models import AllowanceRequest, LedgerEntry, QuotaPolicy, WeeklyUsage
from apps.quotas.undoing import GRACE, WITHIN, undo
from tests import factories
from tests.admin.allowances import confirmed, decide, left_of, undo_button
from tests.admin.conftest import sign_in
from tests.admin.world import CourseWorld

pytestmark = pytest.mark.usefixtures("plain_allowance")


@pytest.fixture
def small_course(world: CourseWorld) -> None:
    QuotaPolicy.objects.filter(course=world.course).update(weekly_tokens=8_000)


def test_the_page_says_what_the_course_has_left(instructor: Client, world: CourseWorld, small_course: None) -> None:
    page = instructor.get(f"{decide(world, 'grant')}?member={world.student.pk}").content.decode()

    assert f"The course has {number(8_000)} of {number(8_000)} left" in page
    assert f"A week of a student is {number(10_000)} tokens" in page


def test_more_than_the_course_has_is_asked_about_first(
    instructor: Client, world: CourseWorld, small_course: None
) -> None:
    sent = confirmed(world.student, tokens=20_000, reason="x")

    asked = instructor.post(decide(world, "grant"), sent)
    before = LedgerEntry.objects.filter(kind="grant").count()
    instructor.post(decide(world, "grant"), {**sent, "beyond": "yes"})

    assert f"The course has {number(8_000)} tokens left" in asked.content.decode()
    assert (before, LedgerEntry.objects.filter(kind="grant").count()) == (0, 1)


def test_a_grant_is_undone_once_by_who_gave_it(instructor: Client, world: CourseWorld, teacher: Membership) -> None:
    colleague = sign_in(factories.make_instructor(course=world.course).user)
    before = left_of(world.student)
    done = instructor.post(decide(world, "grant"), confirmed(world.student, tokens=700, reason="Lab"), follow=True)
    button, address = undo_button(done.content.decode()), reverse("admin:course_undo", args=[world.course.slug])

    others = colleague.post(address, button, follow=True).content.decode()
    still = left_of(world.student)
    own, again = (instructor.post(address, button, follow=True).content.decode() for _ in range(2))

    assert "Nothing was undone" in others and still == before + 700
    assert f"Undone: {number(700)} tokens taken back." in own
    assert "Nothing was undone" in again
    assert left_of(world.student) == before
    entry = LedgerEntry.objects.filter(kind="grant").latest("pk")
    assert (entry.granted_delta, entry.actor, entry.note) == (-700, teacher.user, "Undone: Lab")


@pytest.mark.parametrize(("after", "is_undone"), [(WITHIN, True), (WITHIN + GRACE + timedelta(seconds=1), False)])
def test_a_grant_is_undone_within_seconds(
    after: timedelta, is_undone: bool, world: CourseWorld, teacher: Membership
) -> None:
    now, id = timezone.now(), uuid4()
    decisions.grant([world.student], tokens=700, reason="x", by=teacher.user, now=now, once=id)

    assert (undo(id, by=teacher.user, now=now + after) is not None) == is_undone


@pytest.mark.parametrize(("used", "taken", "stays"), [(10_300, 400, 300), (10_700, None, None)])
def test_what_is_used_already_stays(
    used: int, taken: int | None, stays: int | None, world: CourseWorld, teacher: Membership
) -> None:
    now, id = timezone.now(), uuid4()
    decisions.grant([world.student], tokens=700, reason="x", by=teacher.user, now=now, once=id)
    WeeklyUsage.objects.filter(pk=world.week.pk).update(used=used)

    done = undo(id, by=teacher.user, now=now)

    assert (done and done.tokens, done and done.spent) == (taken, stays)


def test_a_request_that_was_granted_by_mistake_waits_again(
    world: CourseWorld, asked: AllowanceRequest, teacher: Membership
) -> None:
    now, id = timezone.now(), uuid4()
    requests.grant(asked, by=teacher.user, now=now, tokens=500, once=id)

    undo(id, by=teacher.user, now=now)

    asked.refresh_from_db()
    assert (asked.state, asked.granted_tokens, asked.decided_by) == ("open", None, None)


@pytest.mark.parametrize("odd", ["", "x", "9" * 5_000, "\x00"])
def test_what_is_no_grant_is_not_undone(odd: str, instructor: Client, world: CourseWorld) -> None:
    answer: Any = instructor.post(reverse("admin:course_undo", args=[world.course.slug]), {"grant": odd}, follow=True)

    assert answer.status_code == 200
    assert "Nothing was changed" in answer.content.decode()


def test_assistants_and_others_undo_nothing(
    assistant: Client, instructor: Client, foreign: CourseWorld, world: CourseWorld
) -> None:
    values = {"grant": uuid4().hex}

    assert assistant.post(reverse("admin:course_undo", args=[world.course.slug]), values).status_code == 403
    assert instructor.post(reverse("admin:course_undo", args=[foreign.course.slug]), values).status_code == 404
