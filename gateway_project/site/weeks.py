"""The running week of a course, as a bar."""

from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.safestring import SafeString

from apps.common.display import badge, share
from apps.quotas.limits import lower, multiplied
from apps.quotas.models import WeeklyUsage


def running_weeks() -> Any:
    now = timezone.now()
    return WeeklyUsage.objects.filter(starts_at__lte=now, ends_at__gt=now)


def week_of(course: Any) -> SafeString:
    policy = getattr(course, "quota_policy", None)
    if policy is None:
        return badge("no allowance", "bad", "Every call is refused until the course has an allowance")
    limit = policy.weekly_tokens
    if limit is not None:
        limit = multiplied(limit, course.factor or Decimal(1))
    limit = lower(limit, course.most)
    if limit is not None:
        limit += course.granted or 0
    return share(used=course.used or 0, held=course.held or 0, limit=limit)
