"""Who of a course is locked out, as their recorded calls and the ledger say."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.models import Course, Membership
from apps.common.ids import first_id
from apps.conversations.lockouts import locked_out
from apps.conversations.models import Call
from apps.quotas import decisions
from apps.quotas.models import QuotaPolicy
from tests import factories
from tests.admin.world import make_call

pytestmark = pytest.mark.django_db


def asked(member: Membership, *, second: int = 0, **values: Any) -> Call:
    """A call with an id of its own second: ids of one millisecond are in no order."""
    at = timezone.now() + timedelta(seconds=second)
    return make_call(member, id=first_id(at), started_at=at, **values)


def refused(member: Membership, *, second: int = 0) -> Call:
    return asked(member, second=second, status=Call.Status.OUT_OF_QUOTA, charged=0)


@pytest.fixture
def course() -> Course:
    """Calls cost 100 there, and each student has 1 000."""
    course = factories.make_course(allowance=1_000)
    tess = factories.make_instructor(course=course)
    for _ in range(3):
        make_call(tess, charged=100)
    return course


def who(course: Course) -> list[Membership]:
    return [one.member for one in locked_out(course, now=timezone.now())]


def test_less_left_than_a_usual_call_costs(course: Course) -> None:
    poor, able = factories.make_student(course=course), factories.make_student(course=course)
    factories.make_week(poor, used=901)
    factories.make_week(able, used=900)

    assert who(course) == [poor]


def test_refused_since_the_last_answer_who_waits_longest_first(course: Course) -> None:
    ada, wei, ben = (factories.make_student(course=course) for _ in range(3))
    first = refused(wei, second=1).started_at
    for second, one in enumerate((ada, wei, ben), start=2):
        refused(one, second=second)
    asked(ben, second=9)

    found = locked_out(course, now=timezone.now())

    assert [one.member for one in found] == [wei, ada]
    assert found[0].lock is not None
    assert found[0].lock.since == first


def test_a_grant_lets_in_who_was_refused(course: Course) -> None:
    wei = factories.make_student(course=course)
    refused(wei)
    assert who(course) == [wei]

    decisions.grant([wei], tokens=700, reason="x", by=None, now=timezone.now())

    assert who(course) == []


def test_another_allowance_of_the_course_lets_in_who_was_refused(course: Course) -> None:
    refused(wei := factories.make_student(course=course))
    assert who(course) == [wei]
    policy = QuotaPolicy.objects.get(course=course)
    policy.student_weekly_tokens = 9_000
    policy.save()

    assert who(course) == []


def test_nobody_gets_in_once_the_course_has_nothing_left(course: Course) -> None:
    ada = factories.make_student(course=course)
    QuotaPolicy.objects.filter(course=course).update(weekly_tokens=50)

    assert ada in who(course)


def test_many_students_take_no_more_queries_than_one(course: Course, django_assert_max_num_queries: Any) -> None:
    for second in range(40):
        refused(factories.make_student(course=course), second=second)

    with django_assert_max_num_queries(20):
        assert len(who(course)) == 40
