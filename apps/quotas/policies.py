"""All policies at one revision, and the limits that follow from them at `now`."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from apps.accounts.principals import Principal
from apps.quotas.ledger.movements import Account
from apps.quotas.limits import (
    FULL,
    BoostPeriod,
    LimitSource,
    OverridePeriod,
    course_limit,
    limit_source,
    lower,
    own_limit,
)
from apps.quotas.rate_limits.limits import Scope
from apps.quotas.sums import LimitSum, limit_sum
from apps.quotas.weeks import week_at

REFUSE, FALLBACK = "refuse", "fallback"
MOST_PLANS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RolePolicy:
    """What each member of a role may use. None means as for students."""

    weekly_tokens: int | None = None
    requests_per_minute: int | None = None
    concurrent_requests: int | None = None
    tokens_per_minute: int | None = None

    def or_else(self, other: "RolePolicy") -> "RolePolicy":
        """These limits, with those of `other` where they are None."""
        own = {one.name: getattr(self, one.name) for one in fields(self)}
        return replace(other, **{name: limit for name, limit in own.items() if limit is not None})


@dataclass(frozen=True, kw_only=True)
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
    key_tokens_per_minute: int | None = None
    student_tokens_per_minute: int | None = None
    course_tokens_per_minute: int | None = None
    default_output_tokens: int = 4096
    least_output_tokens: int = 64
    max_output_tokens: int | None = None
    late_joiners: str = FULL
    after_exhaustion: str = REFUSE
    fallback_model: str = ""
    fallback_student_weekly_tokens: int = 0

    @cached_property
    def for_students(self) -> RolePolicy:
        """What each student may use, and each member whose role has no limits of its own."""
        return RolePolicy(**{one.name: getattr(self, f"student_{one.name}") for one in fields(RolePolicy)})


@dataclass(frozen=True, slots=True, kw_only=True)
class CourseCeiling:
    """The most that operators allow; None is no ceiling."""

    most_weekly_tokens: int | None = None
    most_member_weekly_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InstitutionPolicy:
    timezone: str
    first_day: int
    weekly_tokens: int | None


class Plan(NamedTuple):
    """What applies to one principal, from `since` until just before `until`."""

    principal: Principal
    course: CoursePolicy
    accounts: tuple[Account, ...]  # accounts that a call draws on, the student's own first
    scopes: tuple[Scope, ...]
    token_scopes: tuple[Scope, ...]
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """All policies at one revision. A course without a policy may use nothing."""

    courses: Mapping[int, CoursePolicy] = field(default_factory=dict)
    institution: InstitutionPolicy | None = None
    roles: Mapping[tuple[int, str], RolePolicy] = field(default_factory=dict)
    boosts: Mapping[int, tuple[BoostPeriod, ...]] = field(default_factory=dict)
    overrides: Mapping[int, tuple[OverridePeriod, ...]] = field(default_factory=dict)
    ceilings: Mapping[int, CourseCeiling] = field(default_factory=dict)
    requests_per_minute: int | None = None  # of each student whose course limits neither students nor keys
    _plans: dict[int, Plan] = field(default_factory=dict, init=False, repr=False, compare=False)

    def plan(self, principal: Principal, *, now: datetime) -> Plan:
        """What applies to a call of this principal. Cached until a week or a period begins or ends."""
        kept = self._plans.get(principal.key_id)
        if kept is not None and kept.principal is principal and kept.since <= now < kept.until:
            return kept
        if len(self._plans) >= MOST_PLANS:
            self._plans.clear()
        self._plans[principal.key_id] = made = self._plan(principal, now)
        return made

    def _plan(self, principal: Principal, now: datetime) -> Plan:
        accounts = self.accounts(principal, now=now)
        edges = [edge for account in accounts for edge in (account.week.starts_at, account.week.ends_at)]
        periods: list[BoostPeriod | OverridePeriod] = [*self.boosts.get(principal.course_id, ())]
        periods += self.overrides.get(principal.membership_id, ())
        edges += [edge for period in periods for edge in (period.starts_at, period.ends_at) if edge is not None]
        return Plan(
            principal=principal,
            course=self.of(principal.course_id),
            accounts=accounts,
            scopes=self.scopes(principal),
            token_scopes=self.token_scopes(principal),
            since=max(edge for edge in edges if edge <= now),
            until=min(edge for edge in edges if edge > now),
        )

    def of(self, course_id: int) -> CoursePolicy:
        return self.courses.get(course_id, _NOTHING)

    def of_role(self, principal: Principal) -> RolePolicy:
        """The limits of the principal's role, with those of students where the role sets none."""
        students = self.of(principal.course_id).for_students
        own = self.roles.get((principal.course_id, principal.role))
        return students if own is None else own.or_else(students)

    def limit_source(self, principal: Principal, *, now: datetime) -> LimitSource:
        """The boost and the override in force for this principal."""
        return limit_source(
            boosts=self.boosts.get(principal.course_id, ()),
            overrides=self.overrides.get(principal.membership_id, ()),
            now=now,
            has_policy=principal.course_id in self.courses,
        )

    def accounts(self, principal: Principal, *, now: datetime) -> tuple[Account, ...]:
        """The accounts that a call of this principal draws on, the student's own first."""
        policy = self.of(principal.course_id)
        week = week_at(now, timezone=principal.timezone, first_day=principal.first_day)
        limit = own_limit(
            self.of_role(principal).weekly_tokens or 0,
            boosts=self.boosts.get(principal.course_id, ()),
            overrides=self.overrides.get(principal.membership_id, ()),
            late_joiners=policy.late_joiners,
            joined_at=principal.joined_at,
            week=week,
            now=now,
        )
        most = self._ceiling(principal.course_id).most_member_weekly_tokens
        own = Account("student", principal.membership_id, lower(limit, most), week, most)
        course = Account("course", principal.course_id, self.course_limit(principal.course_id, now=now), week)
        return (own, course, *self._shared(now))

    def limit_sum(self, principal: Principal, *, granted: int, now: datetime) -> LimitSum:
        """What the student's own limit consists of, with each factor named."""
        return limit_sum(
            self.of_role(principal).weekly_tokens or 0,
            source=self.limit_source(principal, now=now),
            late_joiners=self.of(principal.course_id).late_joiners,
            joined_at=principal.joined_at,
            week=week_at(now, timezone=principal.timezone, first_day=principal.first_day),
            most=self._ceiling(principal.course_id).most_member_weekly_tokens,
            granted=granted,
        )

    def course_limit(self, course_id: int, *, now: datetime) -> int | None:
        """What all students of a course may use together; None is unlimited."""
        limit = course_limit(self.of(course_id).weekly_tokens, boosts=self.boosts.get(course_id, ()), now=now)
        return lower(limit, self._ceiling(course_id).most_weekly_tokens)

    def fallback_accounts(self, accounts: tuple[Account, ...], *, course_id: int) -> tuple[Account, ...]:
        """The same accounts, with the allowance for the fallback model in place of the student's own."""
        own, *others = accounts
        most = self._ceiling(course_id).most_member_weekly_tokens
        limit = lower(self.of(course_id).fallback_student_weekly_tokens, most)
        return (Account("fallback", own.id, limit, own.week), *others)

    def fallback_model(self, course_id: int) -> str:
        """The model that answers once a student's own week is used up; empty if none does."""
        policy = self.of(course_id)
        return policy.fallback_model if policy.after_exhaustion == FALLBACK else ""

    def _ceiling(self, course_id: int) -> CourseCeiling:
        return self.ceilings.get(course_id, _NO_CEILING)

    def _shared(self, now: datetime) -> tuple[Account, ...]:
        if self.institution is None:
            return ()
        week = week_at(now, timezone=self.institution.timezone, first_day=self.institution.first_day)
        return (Account("institution", 1, self.institution.weekly_tokens, week),)

    def scopes(self, principal: Principal) -> tuple[Scope, ...]:
        """The limited scopes in which the requests of this principal count."""
        key, student, course = principal.key_id, principal.membership_id, principal.course_id
        policy, role = self.of(course), self.of_role(principal)
        default = self.requests_per_minute if policy.key_requests_per_minute is None else None
        own = default if role.requests_per_minute is None else role.requests_per_minute
        scopes = (
            Scope("key", key, "requests", policy.key_requests_per_minute, policy.key_concurrent_requests),
            Scope("student", student, "requests", own, role.concurrent_requests),
            Scope("course", course, "requests", policy.course_requests_per_minute, policy.course_concurrent_requests),
        )
        return tuple(scope for scope in scopes if scope.is_limited)

    def token_scopes(self, principal: Principal) -> tuple[Scope, ...]:
        """The limited scopes in which the tokens of this principal count."""
        policy = self.of(principal.course_id)
        scopes = (
            Scope("key", principal.key_id, "tokens", policy.key_tokens_per_minute),
            Scope("student", principal.membership_id, "tokens", self.of_role(principal).tokens_per_minute),
            Scope("course", principal.course_id, "tokens", policy.course_tokens_per_minute),
        )
        return tuple(scope for scope in scopes if scope.is_limited)


_NOTHING = CoursePolicy()
_NO_CEILING = CourseCeiling()
