"""The in-process snapshot of all policies."""

from collections import defaultdict
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet

from apps.accounts.models import Weekday
from apps.common.revisions import Snapshot
from apps.common.zones import zone
from apps.quotas.limits import BoostPeriod, OverridePeriod
from apps.quotas.models import TOPIC, Boost, Ceiling, Institution, Override, QuotaPolicy, RoleAllowance
from apps.quotas.policies import CourseCeiling, CoursePolicy, InstitutionPolicy, Policies, RolePolicy

CLOCKS_DIFFER = timedelta(hours=1)  # ended periods are kept for so long, for requests that began before


def load_policies() -> Policies:
    now = datetime.now(UTC) - CLOCKS_DIFFER
    return Policies(
        courses={row.pop("course_id"): CoursePolicy(**row) for row in _rows(QuotaPolicy.objects.all(), CoursePolicy)},
        institution=_institution(Institution.objects.first()),
        roles={
            (row.pop("course_id"), row.pop("role")): RolePolicy(**row)
            for row in _rows(RoleAllowance.objects.all(), RolePolicy, "role")
        },
        boosts=_boosts(Boost.objects.unfinished(now=now)),
        overrides=_overrides(Override.objects.unfinished(now=now)),
        ceilings={row.pop("course_id"): CourseCeiling(**row) for row in _rows(Ceiling.objects.all(), CourseCeiling)},
        requests_per_minute=settings.STUDENT_REQUESTS_PER_MINUTE or None,
    )


def _rows(rows: QuerySet[Any], policy: Any, *keys: str) -> QuerySet[Any, dict[str, Any]]:
    return rows.values("course_id", *keys, *(column.name for column in fields(policy)))


def _boosts(rows: QuerySet[Boost]) -> dict[int, tuple[BoostPeriod, ...]]:
    found: dict[int, list[BoostPeriod]] = defaultdict(list)
    for row in rows:
        found[row.course_id].append(
            BoostPeriod(
                factor=row.factor,
                multiplies_course=row.multiplies_course,
                starts_at=row.starts_at,
                ends_at=row.ended_at or row.ends_at,
                reason=row.reason,
            )
        )
    return {course: tuple(periods) for course, periods in found.items()}


def _overrides(rows: QuerySet[Override]) -> dict[int, tuple[OverridePeriod, ...]]:
    """Periods by member, newest first."""
    found: dict[int, list[OverridePeriod]] = defaultdict(list)
    for row in rows.order_by("-pk"):
        found[row.membership_id].append(
            OverridePeriod(
                weekly_tokens=row.weekly_tokens,
                starts_at=row.starts_at,
                ends_at=row.ended_at or row.ends_at,
                reason=row.reason,
            )
        )
    return {member: tuple(periods) for member, periods in found.items()}


def _institution(row: Institution | None) -> InstitutionPolicy | None:
    if row is None:
        return None
    zone(row.timezone)  # loads it from disk now, in a thread, instead of on the first request
    return InstitutionPolicy(
        timezone=row.timezone, first_day=Weekday(row.week_starts).number, weekly_tokens=row.weekly_tokens
    )


def policies() -> Snapshot[Policies]:
    return Snapshot(TOPIC, load_policies)
