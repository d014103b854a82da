"""The in-process snapshot of all policies."""

from collections import defaultdict
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from django.conf import settings
from django.db.models import QuerySet

from apps.accounts.models import Course, Weekday
from apps.common.revisions import Snapshot
from apps.common.zones import zone
from apps.quotas.limits import BoostPeriod, OverridePeriod
from apps.quotas.models import TOPIC, Boost, Institution, Override
from apps.quotas.policies import CourseCeiling, CoursePolicy, InstitutionPolicy, Policies, RolePolicy

T = TypeVar("T")
COURSE, ROLE, CEILING = "quota_policy", "role_allowances", "ceiling"  # as a course calls its rows
CLOCKS_DIFFER = timedelta(hours=1)  # ended periods are kept for so long, for requests that began before


def load_policies() -> Policies:
    """Few queries, for the pages that load all policies when they are asked for."""
    now = datetime.now(UTC) - CLOCKS_DIFFER
    rows = list(_course_rows())
    return Policies(
        courses={row["pk"]: _filled(CoursePolicy, COURSE, row) for row in rows if row[f"{COURSE}__pk"]},
        institution=_institution(Institution.objects.first()),
        roles={(row["pk"], row[f"{ROLE}__role"]): _filled(RolePolicy, ROLE, row) for row in rows if row[f"{ROLE}__pk"]},
        boosts=_boosts(Boost.objects.unfinished(now=now)),
        overrides=_overrides(Override.objects.unfinished(now=now)),
        ceilings={row["pk"]: _filled(CourseCeiling, CEILING, row) for row in rows if row[f"{CEILING}__pk"]},
        requests_per_minute=settings.STUDENT_REQUESTS_PER_MINUTE or None,
    )


def _course_rows() -> QuerySet[Any, dict[str, Any]]:
    """What courses have, in one query: a row for each course and role, with the other columns repeated."""
    columns = (
        f"{table}__{column}"
        for table, policy in ((COURSE, CoursePolicy), (ROLE, RolePolicy), (CEILING, CourseCeiling))
        for column in ("pk", *(field.name for field in fields(policy)))
    )
    return Course.objects.order_by().values("pk", f"{ROLE}__role", *columns)


def _filled(policy: type[T], table: str, row: dict[str, Any]) -> T:
    return policy(**{field.name: row[f"{table}__{field.name}"] for field in fields(policy)})  # type: ignore[arg-type]


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
