"""What operators allow a course at most holds for whatever its staff set, and for what was set before."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from apps.accounts.models import Course, Membership
from apps.accounts.principals import principal_of
from apps.quotas import decisions, requests, standing
from apps.quotas.ledger.movements import Short
from apps.quotas.models import Boost, Ceiling, Override, QuotaPolicy, RoleAllowance, WeeklyUsage
from apps.quotas.policy_snapshot import load_policies
from gateway_project.apply import Mistakes, apply
from tests import factories
from tests.quotas.moves import move, reserve

NOW = datetime.now(UTC)
SAID = {"reason": "r", "by": None, "now": NOW}


@pytest.fixture
def student(db: None) -> Membership:
    """In a course with 1,000 for each of 2,000 at most, and 10,000 for all of 20,000 at most."""
    course = factories.make_course(allowance=1_000)
    QuotaPolicy.objects.filter(course=course).update(weekly_tokens=10_000)
    Ceiling.objects.create(course=course, most_weekly_tokens=20_000, most_member_weekly_tokens=2_000)
    return factories.make_student(course=course)


def policy(course: Course, **changed: Any) -> None:
    row = QuotaPolicy.objects.get(course=course)
    for name, value in changed.items():
        setattr(row, name, value)
    row.save()


def boost(course: Course, factor: float, *, multiplies_course: bool = False) -> None:
    row = Boost(course=course, factor=factor, multiplies_course=multiplies_course, starts_at=NOW, reason="r")
    row.ends_at = NOW + timedelta(days=1)
    decisions.give(row, by=None, now=NOW)


def override(student: Membership, tokens: int | None) -> None:
    decisions.give(Override(membership=student, weekly_tokens=tokens, starts_at=NOW, reason="r"), by=None, now=NOW)


TOO_MUCH: dict[str, Callable[[Membership], Any]] = {
    "student": lambda one: policy(one.course, student_weekly_tokens=2_001),
    "course": lambda one: policy(one.course, weekly_tokens=20_001),
    "course without limit": lambda one: policy(one.course, weekly_tokens=None),
    "fallback": lambda one: policy(one.course, fallback_student_weekly_tokens=2_001),
    "role": lambda one: RoleAllowance.objects.create(course=one.course, role="assistant", weekly_tokens=2_001),
    "roles in bulk": lambda one: RoleAllowance.objects.bulk_create(
        [RoleAllowance(course=one.course, role="assistant", weekly_tokens=2_001)]
    ),
    "boost": lambda one: boost(one.course, 2.01),
    "boost of the course": lambda one: [
        policy(one.course, student_weekly_tokens=1),
        boost(one.course, 3, multiplies_course=True),
    ],
    "override": lambda one: override(one, 2_001),
    "override without limit": lambda one: override(one, None),
    "overrides": lambda one: decisions.give_overrides([one], weekly_tokens=2_001, ends_at=None, **SAID),
    "grant": lambda one: decisions.grant([one], tokens=1_001, **SAID),
    "grant after a grant": lambda one: [decisions.grant([one], tokens=600, **SAID) for _ in range(2)],
    "grant on a boost": lambda one: [boost(one.course, 2), decisions.grant([one], tokens=1, **SAID)],
    "request": lambda one: requests.grant(factories.make_request(one, tokens=1_001), by=None, now=NOW),
}
ENOUGH: dict[str, Callable[[Membership], Any]] = {
    "student": lambda one: policy(one.course, student_weekly_tokens=2_000),
    "course": lambda one: policy(one.course, weekly_tokens=20_000),
    "role": lambda one: RoleAllowance.objects.create(course=one.course, role="assistant", weekly_tokens=2_000),
    "role as students": lambda one: RoleAllowance.objects.create(course=one.course, role="assistant"),
    "boost": lambda one: boost(one.course, 2, multiplies_course=True),
    "override": lambda one: override(one, 2_000),
    "grant": lambda one: decisions.grant([one], tokens=1_000, **SAID),
    "request": lambda one: requests.grant(factories.make_request(one, tokens=1_000), by=None, now=NOW),
}


@pytest.mark.parametrize("attempt", TOO_MUCH.values(), ids=TOO_MUCH.keys())
def test_staff_cannot_set_more(attempt: Callable[[Membership], Any], student: Membership) -> None:
    with pytest.raises(ValidationError, match="operators allow"):
        attempt(student)


@pytest.mark.parametrize("attempt", ENOUGH.values(), ids=ENOUGH.keys())
def test_up_to_it_staff_set_what_they_like(attempt: Callable[[Membership], Any], student: Membership) -> None:
    attempt(student)


def test_courses_without_a_ceiling_are_free(db: None) -> None:
    student = factories.make_student()

    for attempt in TOO_MUCH.values():
        if attempt is not TOO_MUCH["roles in bulk"]:  # there is one by then
            attempt(student)


def test_a_refund_counts_like_a_grant_unless_an_operator_gives_it(student: Membership) -> None:
    instructor = factories.make_instructor(course=student.course).user
    factories.make_week(student, used=5_000, now=NOW)

    decisions.correct([student], tokens=-1_000, reason="r", by=instructor, now=NOW)
    for again in (decisions.correct, decisions.grant):
        with pytest.raises(ValidationError, match="at most 0 tokens more"):
            again([student], tokens=-1 if again is decisions.correct else 1, reason="r", by=instructor, now=NOW)
    decisions.correct([student], tokens=-1_000, reason="r", by=factories.make_operator(), now=NOW)

    assert WeeklyUsage.objects.get(account=student.pk, kind="student").used == 3_000


def test_forms_say_it_at_the_field(student: Membership) -> None:
    row = Override(membership=student, weekly_tokens=5_000, starts_at=NOW, reason="r")

    with pytest.raises(ValidationError) as refused:
        row.full_clean()

    assert refused.value.message_dict == {
        "weekly_tokens": ["This makes 5,000 tokens a week, and operators allow at most 2,000 here."]
    }


def test_what_was_set_before_counts_up_to_it(student: Membership) -> None:
    Ceiling.objects.update(most_weekly_tokens=None, most_member_weekly_tokens=None)
    override(student, None)
    policy(student.course, weekly_tokens=None, fallback_student_weekly_tokens=900)
    Ceiling.objects.update(most_weekly_tokens=50, most_member_weekly_tokens=5)

    policies = load_policies()
    accounts = policies.accounts(principal_of(student), now=datetime.now(UTC))

    assert [account.limit for account in accounts] == [5, 50]
    fallback, *_ = policies.fallback_accounts(accounts, course_id=student.course_id)
    assert fallback.limit == 5


def test_a_grant_does_not_come_on_top_of_what_was_set_after_it(student: Membership) -> None:
    """Nor do two grants at the same instant, neither of which knows of the other."""
    decisions.grant([student], tokens=1_000, **SAID)
    policy(student.course, student_weekly_tokens=2_000)

    [own] = standing.of_members([student], now=NOW)
    [week] = WeeklyUsage.objects.filter(kind="student")

    assert (own.limit, standing.limits_of([week], now=NOW)) == (2_000, {week.pk: 2_000})
    assert isinstance(move(reserve("too much", 2_001, own.balance.account))[0], Short)


def test_a_grant_is_not_booked_in_part(student: Membership) -> None:
    other = factories.make_student(course=student.course)
    override(other, 2_000)

    with pytest.raises(ValidationError, match="at most 0 tokens more"):
        decisions.grant([student, other], tokens=10, **SAID)

    assert not WeeklyUsage.objects.filter(granted__gt=0).exists()


FILE = """
courses:
  - {slug: cs101, title: One, most_weekly_tokens: 500, most_member_weekly_tokens: 50, weekly_tokens: 500,
     student_weekly_tokens: 50}
"""


@pytest.mark.django_db
def test_a_file_sets_both_and_raises_both_at_once() -> None:
    apply(FILE.encode(), source="f", environment={})
    apply(FILE.replace("50", "70").encode(), source="f", environment={})

    row = Ceiling.objects.get(course__slug="cs101")
    assert (row.most_member_weekly_tokens, row.course.quota_policy.student_weekly_tokens) == (70, 70)
    assert apply(FILE.replace("50", "70").encode(), source="f", environment={}) == []


@pytest.mark.django_db
def test_a_file_does_not_go_beyond_it_either() -> None:
    apply(FILE.encode(), source="f", environment={})

    with pytest.raises(Mistakes, match="operators allow at most 50 here"):
        apply(b"courses:\n  - {slug: cs101, student_weekly_tokens: 51}\n", source="f", environment={})
