"""What a call draws on, and with which limits."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from apps.accounts.principals import Principal
from apps.quotas.models import Institution, QuotaPolicy
from apps.quotas.policies import CoursePolicy, Policies, load_policies, policies
from apps.quotas.rates_tokens import TokenScope
from tests import factories

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)


@pytest.fixture
def principal() -> Principal:
    course = factories.make_course(allowance=500)
    QuotaPolicy.objects.filter(course=course).update(weekly_tokens=9000)
    return Principal(
        key_id=1,
        membership_id=7,
        course_id=course.pk,
        course_slug=course.slug,
        role="student",
        expires_at=None,
        is_open=True,
        logging="full",
        timezone="Europe/Helsinki",
        first_day=6,
    )


def test_a_call_draws_on_the_student_and_the_course(principal: Principal) -> None:
    accounts = load_policies().accounts(principal, now=NOW)

    assert [(account.kind, account.id, account.limit) for account in accounts] == [
        ("student", 7, 500),
        ("course", principal.course_id, 9000),
    ]


def test_both_in_the_week_of_the_course(principal: Principal) -> None:
    accounts = load_policies().accounts(principal, now=NOW)

    assert {account.week.starts_at for account in accounts} == {datetime(2026, 11, 14, 22, tzinfo=UTC)}


def test_where_there_is_an_institution_its_allowance_comes_last_with_its_own_week(principal: Principal) -> None:
    Institution.objects.create(timezone="UTC", week_starts="monday", weekly_tokens=10**6)

    *_, shared = load_policies().accounts(principal, now=NOW)

    assert (shared.kind, shared.id, shared.limit) == ("institution", 1, 10**6)
    assert shared.week.starts_at == datetime(2026, 11, 16, tzinfo=UTC)


def test_a_course_without_a_policy_gets_nothing(principal: Principal) -> None:
    elsewhere = replace(principal, course_id=factories.make_course(allowance=None).pk)

    own, _ = load_policies().accounts(elsewhere, now=NOW)

    assert own.limit == 0


def test_an_institution_without_a_limit_is_drawn_on_all_the_same(principal: Principal) -> None:
    Institution.objects.create(weekly_tokens=None)

    *_, shared = load_policies().accounts(principal, now=NOW)

    assert (shared.kind, shared.limit) == ("institution", None)


def test_a_policy_is_loaded_with_all_that_it_says() -> None:
    values: dict[str, Any] = {
        "weekly_tokens": 9000,
        "student_weekly_tokens": 700,
        "key_requests_per_minute": 30,
        "key_concurrent_requests": 4,
        "student_requests_per_minute": 60,
        "student_concurrent_requests": 8,
        "course_requests_per_minute": 600,
        "course_concurrent_requests": 80,
        "key_tokens_per_minute": 1000,
        "student_tokens_per_minute": 2000,
        "course_tokens_per_minute": 30_000,
        "default_output_tokens": 500,
        "least_output_tokens": 20,
        "max_output_tokens": 2000,
    }
    course = factories.make_course(allowance=None)
    QuotaPolicy.objects.create(course=course, **values)

    assert load_policies().of(course.pk) == CoursePolicy(**values)


def test_a_policy_that_says_nothing_limits_only_the_tokens() -> None:
    course = factories.make_course(allowance=None)
    QuotaPolicy.objects.create(course=course)

    assert load_policies().of(course.pk) == CoursePolicy()


def test_tokens_are_counted_wherever_there_is_a_limit(principal: Principal) -> None:
    QuotaPolicy.objects.filter(course=principal.course_id).update(
        key_tokens_per_minute=1000, course_tokens_per_minute=30_000
    )

    assert load_policies().token_scopes(principal) == (
        TokenScope("key", 1, 1000),
        TokenScope("course", principal.course_id, 30_000),
    )


def test_without_limits_of_tokens_a_minute_none_are_counted(principal: Principal) -> None:
    assert load_policies().token_scopes(principal) == ()


def test_an_unknown_course_has_no_tokens_and_no_rate_limits() -> None:
    policy = Policies().of(404)

    assert (policy.student_weekly_tokens, policy.student_requests_per_minute) == (0, None)


def test_the_snapshot_loads_the_policies() -> None:
    course = factories.make_course(allowance=700)
    snapshot = policies()

    snapshot.refresh(1)

    assert snapshot.current.of(course.pk).student_weekly_tokens == 700
