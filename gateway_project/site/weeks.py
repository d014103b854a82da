"""The running week of a course, as a bar."""

from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from apps.common.display import badge, share
from apps.quotas.limits import lower, multiplied
from apps.quotas.models import WeeklyUsage


def running_weeks() -> Any:
    now = timezone.now()
    return WeeklyUsage.objects.filter(starts_at__lte=now, ends_at__gt=now)


def limit_of(course: Any) -> int | None:
    """What a row of `CourseAdmin` may use this week, boosts and grants included. None: no limit."""
    limit: int | None = course.quota_policy.weekly_tokens
    if limit is not None:
        limit = multiplied(limit, course.factor or Decimal(1))
    limit = lower(limit, course.most)
    return None if limit is None else limit + (course.granted or 0)


def week_of(course: Any) -> SafeString:
    if getattr(course, "quota_policy", None) is None:
        return badge(gettext("no allowance"), "bad", gettext("Every call is refused until the course has an allowance"))
    return share(used=course.used or 0, held=course.held or 0, limit=limit_of(course))
