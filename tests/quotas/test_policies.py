"""What a call draws on, and with which limits."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.models import Course, Membership
from apps.accounts.principals import Principal
from apps.quotas import decisions
from apps.quotas.limits import BoostPeriod, OverridePeriod
from apps.quotas.models import Institution, QuotaPolicy
from apps.quotas.policies import CoursePolicy, Policies
from apps.quotas.policy_snapshot import load_policies, policies
from apps.quotas.rate_limits.limits import Scope
from tests import factories

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
# Beyond every sequence: no member that a test makes may be this one.
NOBODY = 2**40


@pytest.fixture
def principal() -> Principal:
    course = factories.make_course(allowance=500)
    QuotaPolicy.objects.filter(course=course).update(weekly_tokens=9000)
    return Principal(
        key_id=1,
        membership_id=NOBODY,
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
        ("student", NOBODY, 500),
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
        "late_joiners": "pro_rata",
        "after_exhaustion": "fallback",
        "fallback_model": "small",
        "fallback_student_weekly_tokens": 90,
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
        Scope("key", 1, "tokens", 1000),
        Scope("course", principal.course_id, "tokens", 30_000),
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


# Beyond what everybody may use


@pytest.fixture
def ada(principal: Principal) -> Membership:
    return factories.make_student(course=Course.objects.get(pk=principal.course_id))


def limits(principal: Principal, *, now: datetime) -> list[int | None]:
    return [account.limit for account in load_policies().accounts(principal, now=now)]


def test_a_boost_multiplies_each_member_s_allowance_and_the_course_s_if_it_says_so(
    principal: Principal, ada: Membership
) -> None:
    now = datetime.now(UTC)
    soon = now + timedelta(hours=5)
    factories.make_boost(course=ada.course, factor=2, starts_at=now, ends_at=soon)
    factories.make_boost(course=ada.course, factor=3, multiplies_course=True, starts_at=soon, ends_at=soon + DAY)
    factories.make_boost()

    assert limits(principal, now=now) == [1000, 9000]
    assert limits(principal, now=soon) == [1500, 27_000]
    assert limits(principal, now=soon + DAY) == [500, 9000]


def test_of_overrides_the_newest_in_force_counts(principal: Principal, ada: Membership) -> None:
    now, own = datetime.now(UTC), replace(principal, membership_id=ada.pk)
    factories.make_override(ada, weekly_tokens=40, starts_at=now)
    factories.make_override(ada, weekly_tokens=30, starts_at=now, ends_at=now + DAY)
    decisions.end(factories.make_override(ada, weekly_tokens=20, starts_at=now), by=None, now=now)

    assert limits(own, now=now)[0] == 30
    assert limits(own, now=now + DAY)[0] == 40
    assert limits(principal, now=now)[0] == 500


def test_what_has_been_over_for_long_is_not_kept(principal: Principal, ada: Membership) -> None:
    now = datetime.now(UTC)
    factories.make_boost(course=ada.course, starts_at=now - 2 * DAY, ends_at=now - DAY)
    decisions.end(factories.make_override(ada, starts_at=now - 2 * DAY), by=None, now=now - DAY)

    kept = load_policies()

    assert (kept.boosts, kept.overrides) == ({}, {})


def test_a_role_has_limits_of_its_own_and_those_of_students_where_it_says_nothing(
    principal: Principal, ada: Membership
) -> None:
    QuotaPolicy.objects.filter(course=ada.course).update(student_requests_per_minute=60, student_tokens_per_minute=70)
    factories.make_role_allowance(course=ada.course, weekly_tokens=800, tokens_per_minute=5)
    kept, assistant = load_policies(), replace(principal, role="assistant")

    own, _ = kept.accounts(assistant, now=NOW)
    assert own.limit == 800
    assert [(scope.kind, scope.per_minute) for scope in kept.scopes(assistant)] == [("student", 60)]
    assert kept.token_scopes(assistant) == (Scope("student", NOBODY, "tokens", 5),)
    assert kept.token_scopes(principal) == (Scope("student", NOBODY, "tokens", 70),)
    assert kept.accounts(replace(principal, role="instructor"), now=NOW)[0].limit == 500


@pytest.mark.parametrize(
    ("limits", "counted"),
    [
        ({}, [("student", 300)]),
        ({"student_requests_per_minute": 5}, [("student", 5)]),
        ({"key_requests_per_minute": 900}, [("key", 900)]),
        ({"course_requests_per_minute": 9_000}, [("student", 300), ("course", 9_000)]),
        ({"student_concurrent_requests": 4}, [("student", 300)]),
    ],
    ids=str,
)
def test_who_is_not_limited_by_the_course_is_by_default(
    principal: Principal, settings: Any, limits: dict[str, int], counted: list[tuple[str, int]]
) -> None:
    settings.STUDENT_REQUESTS_PER_MINUTE = 300
    QuotaPolicy.objects.filter(course=principal.course_id).update(**limits)

    assert [(scope.kind, scope.per_minute) for scope in load_policies().scopes(principal)] == counted


def test_an_operator_may_leave_students_unlimited(principal: Principal) -> None:
    assert load_policies().scopes(principal) == ()


def test_who_joins_late_gets_a_share_where_the_course_says_so(principal: Principal) -> None:
    late = replace(principal, joined_at=NOW)
    before = limits(late, now=NOW)[0]
    QuotaPolicy.objects.filter(course=principal.course_id).update(late_joiners="pro_rata")

    assert (before, limits(late, now=NOW)[0], limits(principal, now=NOW)[0]) == (500, 245, 500)


def test_the_fallback_model_has_an_account_in_the_place_of_the_student_s(principal: Principal) -> None:
    QuotaPolicy.objects.filter(course=principal.course_id).update(
        after_exhaustion="fallback", fallback_model="small", fallback_student_weekly_tokens=90
    )
    kept = load_policies()
    accounts = kept.accounts(principal, now=NOW)

    own, course = kept.fallback_accounts(accounts, course_id=principal.course_id)

    assert kept.fallback_model(principal.course_id) == "small"
    assert (own.kind, own.id, own.limit, own.week) == ("fallback", NOBODY, 90, accounts[0].week)
    assert course == accounts[1]


def test_without_that_setting_no_model_falls_in(principal: Principal) -> None:
    QuotaPolicy.objects.filter(course=principal.course_id).update(fallback_model="small")

    assert load_policies().fallback_model(principal.course_id) == ""


PERIODS = st.tuples(st.integers(-200, 200), st.integers(1, 200))


@given(
    boosts=st.lists(PERIODS, max_size=3),
    overrides=st.lists(PERIODS, max_size=2),
    asked=st.lists(st.integers(-250, 450), min_size=1, max_size=8),
)
def test_a_plan_says_at_any_instant_what_counts_then(
    boosts: list[tuple[int, int]], overrides: list[tuple[int, int]], asked: list[int]
) -> None:
    """However long it is kept, and in whatever order requests come."""
    someone = Principal(
        key_id=1, membership_id=7, course_id=3, course_slug="c", role="student", expires_at=None, is_open=True,
        logging="full", timezone="Europe/Helsinki", first_day=6, joined_at=NOW,
    )  # fmt: skip

    def span(at: int, length: int) -> dict[str, datetime]:
        return {"starts_at": NOW + HOUR * at, "ends_at": NOW + HOUR * (at + length)}

    found = Policies(
        courses={3: CoursePolicy(weekly_tokens=9000, student_weekly_tokens=500, late_joiners="pro_rata")},
        boosts={3: tuple(BoostPeriod(factor=Decimal(2), multiplies_course=True, **span(*when)) for when in boosts)},
        overrides={7: tuple(OverridePeriod(weekly_tokens=when[1], **span(*when)) for when in overrides)},
    )

    for hours in asked:
        now = NOW + HOUR * hours
        assert found.plan(someone, now=now).accounts == found.accounts(someone, now=now)


def test_a_plan_is_kept_for_the_same_principal_alone(principal: Principal) -> None:
    found = load_policies()
    plan = found.plan(principal, now=NOW)

    assert found.plan(principal, now=NOW + timedelta(minutes=1)) is plan
    assert found.plan(replace(principal, role="teacher"), now=NOW) is not plan
