"""Limits: pure functions of the policy at `now`, from an in-process snapshot."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from apps.accounts.models import Weekday
from apps.accounts.principals import Principal
from apps.common.revisions import Snapshot
from apps.common.zones import zone
from apps.quotas.models import TOPIC, Institution, QuotaPolicy
from apps.quotas.movements import Account
from apps.quotas.rates import Scope
from apps.quotas.weeks import week_at


@dataclass(frozen=True, slots=True, kw_only=True)
class CoursePolicy:
    """What a course and each of its students may use. Token limits are weighted; None is unlimited."""

    weekly_tokens: int | None = None
    student_weekly_tokens: int = 0
    key_requests_per_minute: int | None = None
    key_concurrent_requests: int | None = None
    student_requests_per_minute: int | None = None
    student_concurrent_requests: int | None = None
    course_requests_per_minute: int | None = None
    course_concurrent_requests: int | None = None
    default_output_tokens: int = 4096
    least_output_tokens: int = 64
    max_output_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InstitutionPolicy:
    timezone: str
    first_day: int
    weekly_tokens: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """All policies at one revision. A course without one gets nothing: an allowance is always somebody's decision."""

    courses: Mapping[int, CoursePolicy] = field(default_factory=dict)
    institution: InstitutionPolicy | None = None

    def of(self, course_id: int) -> CoursePolicy:
        return self.courses.get(course_id, _NOTHING)

    def accounts(self, principal: Principal, *, now: datetime) -> tuple[Account, ...]:
        """What a call of this principal draws on, the student's own account first."""
        policy = self.of(principal.course_id)
        week = week_at(now, timezone=principal.timezone, first_day=principal.first_day)
        own = Account("student", principal.membership_id, policy.student_weekly_tokens, week)
        course = Account("course", principal.course_id, policy.weekly_tokens, week)
        if self.institution is None:
            return (own, course)
        shared = week_at(now, timezone=self.institution.timezone, first_day=self.institution.first_day)
        return (own, course, Account("institution", 1, self.institution.weekly_tokens, shared))

    def scopes(self, principal: Principal) -> tuple[Scope, ...]:
        """Where the requests of this principal are counted: wherever there is a limit."""
        policy = self.of(principal.course_id)
        scopes = (
            Scope("key", principal.key_id, policy.key_requests_per_minute, policy.key_concurrent_requests),
            Scope(
                "student",
                principal.membership_id,
                policy.student_requests_per_minute,
                policy.student_concurrent_requests,
            ),
            Scope("course", principal.course_id, policy.course_requests_per_minute, policy.course_concurrent_requests),
        )
        return tuple(scope for scope in scopes if scope.is_limited)


_NOTHING = CoursePolicy()


def load_policies() -> Policies:
    fields = tuple(CoursePolicy.__dataclass_fields__)
    rows = QuotaPolicy.objects.values("course_id", *fields)
    courses = {row.pop("course_id"): CoursePolicy(**row) for row in rows}
    return Policies(courses=courses, institution=_institution(Institution.objects.first()))


def _institution(row: Institution | None) -> InstitutionPolicy | None:
    if row is None:
        return None
    zone(row.timezone)  # read from disk here, in a thread, rather than when the first request needs its week
    return InstitutionPolicy(
        timezone=row.timezone, first_day=Weekday(row.week_starts).number, weekly_tokens=row.weekly_tokens
    )


def policies() -> Snapshot[Policies]:
    return Snapshot(TOPIC, load_policies)
