"""Courses, and the institution, that have used much of their week: 50, 80 and 100 percent, each once a week."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from apps.accounts.models import Course
from apps.conversations.lockouts import usual_call
from apps.operations.models import About, Notification
from apps.quotas.models import WeeklyUsage
from apps.quotas.standing import limits_of

THRESHOLDS = (50, 80, 100)
NEARLY_OUT = 95  # from here on, what is left may be too little for a usual call
LONGEST_WEEK = timedelta(days=8)
_Kind = WeeklyUsage.Kind


def found(*, now: datetime) -> Iterator[Notification]:
    """The highest threshold that each running week has reached, and only that one."""
    kinds = (_Kind.COURSE, _Kind.INSTITUTION)
    running = WeeklyUsage.objects.filter(kind__in=kinds, starts_at__gt=now - LONGEST_WEEK, starts_at__lte=now)
    weeks = list(running.filter(ends_at__gt=now, used__gt=0))
    limits = limits_of(weeks, now=now) if weeks else {}
    courses = Course.objects.in_bulk([week.account for week in weeks if week.kind == _Kind.COURSE])
    for week in weeks:
        limit, course = limits.get(week.pk), courses.get(week.account) if week.kind == _Kind.COURSE else None
        if limit and (course is not None or week.kind == _Kind.INSTITUTION):
            reached = threshold(used=week.used, limit=limit, usual=_usual(week, course, limit))
            if reached:
                yield _of_week(week, course, limit, reached, now)


def threshold(*, used: int, limit: int, usual: int) -> int:
    """The highest threshold that is reached; 0 if none. A week is used up once a usual call no longer fits in."""
    percent = 100 if limit - used < max(usual, 1) else 100 * used // limit
    return max((one for one in THRESHOLDS if percent >= one), default=0)


def _usual(week: WeeklyUsage, course: Course | None, limit: int) -> int:
    """What a call usually costs, where it matters; 0 if it does not, or nobody knows."""
    if course is None or 100 * week.used < NEARLY_OUT * limit:
        return 0
    usual = usual_call(course)
    return usual.charge if usual else 0


def _of_week(week: WeeklyUsage, course: Course | None, limit: int, reached: int, now: datetime) -> Notification:
    who = course.title if course is not None else "The institution"
    account = f"{week.kind}:{week.account}"
    is_out = reached == 100
    said = "has used up its week" if is_out else f"has used {reached} percent of its week"
    return Notification(
        key=f"allowance:{account}:{week.starts_at:%Y-%m-%dT%H:%M}:{reached}",
        about=About.BUDGETS,
        kind=f"allowance_{reached}",
        subject=f"allowance:{account}:{week.starts_at:%Y-%m-%d}",
        level="bad" if is_out else "warning",
        title=f"{who} {said}"[:200],
        detail=_detail(week, limit, is_out=is_out),
        page=f"/admin/c/{course.slug}/allowance/" if course is not None else "/admin/quotas/institution/",
        course=course,
        at=now,
    )


def _detail(week: WeeklyUsage, limit: int, *, is_out: bool) -> str:
    so = " Calls are refused until then, unless you give more." if is_out else ""
    return f"{week.used:,} of {limit:,} tokens. The next week begins on {week.ends_at:%A, %d %B, %H:%M %Z}.{so}"
