"""The first page of the admin: that of the only course, a line for each of several courses, or the operator's."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from apps.accounts.models import Course, Membership
from apps.accounts.permissions import Verb
from apps.accounts.scoping import courses_where
from apps.common.admin import is_operator
from apps.common.searching import mistake
from apps.conversations.figures import counting
from apps.conversations.figures.reading import use_of
from apps.conversations.models import Appeal
from apps.quotas import standing
from apps.quotas.ledger.booking import week_of as running_week
from apps.quotas.locks import Recent, lock_of
from apps.quotas.models import AllowanceRequest, WeeklyUsage
from apps.quotas.standing import MemberStanding
from gateway_project.site import operators
from gateway_project.site.use import by_day_of, clocks_of
from gateway_project.site.weeks import week_of

A_PAGE = 25
NEARLY = 0.5  # who has used less than this of the allowance is not locked out


@dataclass(frozen=True, slots=True, kw_only=True)
class CourseLine:
    """A course with what waits in it, and its week in four figures."""

    course: Any
    requests: int
    appeals: int
    week: SafeString
    active: int
    students: int
    locked_out: int
    by_day: list[int]
    count: counting.UseCount


def only_course(request: HttpRequest) -> Course | None:
    """The course of somebody who is staff of a single one, and wants no list of courses."""
    if is_operator(request) or "all" in request.GET or "q" in request.GET:
        return None
    courses = list(Course.objects.for_staff(request.user).filter(is_open=True)[:2])
    return courses[0] if len(courses) == 1 else None


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    now = timezone.now()
    if is_operator(request) and "all" not in request.GET and "q" not in request.GET:
        return {**context, "title": gettext("Overview"), "operations": operators.operations(request, now=now)}
    return {
        **context,
        "title": gettext("Courses"),
        **_lines(request, now=now),
        "base_url": request.build_absolute_uri("/v1"),
    }


def _lines(request: HttpRequest, *, now: datetime) -> dict[str, Any]:
    term = request.GET.get("q", "").strip()[:100]
    courses = Course.objects.for_staff(request.user).filter(is_open=True)
    if term and not mistake(term):
        courses = courses.filter(Q(title__icontains=term) | Q(slug__icontains=term))
    waiting = _waiting(request)
    names = sorted(courses.values_list("pk", "title"), key=lambda one: (-waiting[one[0]].total(), one[1].casefold()))
    page = Paginator([pk for pk, _ in names], A_PAGE).get_page(request.GET.get("p"))
    return {
        "lines": _lines_of(request, list(page.object_list), waiting, now=now),
        "page": page,
        "term": term,
        "has_courses": bool(names or term),
    }


def _waiting(request: HttpRequest) -> dict[int, Counter[str]]:
    """Open requests and appeals by course."""
    found: dict[int, Counter[str]] = _Counters()
    requests = AllowanceRequest.objects.open().order_by()
    appeals = Appeal.objects.open().order_by()
    for kind, rows, thing in (("requests", requests, "AllowanceRequest"), ("appeals", appeals, "Appeal")):
        if not is_operator(request):
            rows = rows.filter(membership__course__in=courses_where(request, Verb.SEE, thing))
        for course, count in rows.values_list("membership__course").annotate(count=Count("pk")):
            found[course][kind] = count
    return found


class _Counters(dict[int, "Counter[str]"]):
    def __missing__(self, course: int) -> "Counter[str]":
        self[course] = Counter()
        return self[course]


def _lines_of(
    request: HttpRequest, ids: Sequence[int], waiting: dict[int, Counter[str]], *, now: datetime
) -> list[CourseLine]:
    rows = {row.pk: row for row in admin.site._registry[Course].get_queryset(request).filter(pk__in=ids)}
    courses = [rows[pk] for pk in ids if pk in rows]
    use = use_of(clocks_of(courses), since=(now - timedelta(days=8)).date())
    days = {course.pk: by_day_of(course, use, now=now) for course in courses}
    usual = {pk: whole.charged // whole.answered for pk in days if (whole := counting.total(days[pk])).answered}
    active, out = _students(courses, usual, now=now)
    return [_line(course, days[course.pk], waiting[course.pk], active[course.pk], out[course.pk]) for course in courses]


def _line(
    course: Any, days: list[counting.UseCount], waiting: Counter[str], active: int, locked_out: int
) -> CourseLine:
    return CourseLine(
        course=course,
        requests=waiting["requests"],
        appeals=waiting["appeals"],
        week=week_of(course),
        active=active,
        students=course.members_total or 0,
        locked_out=locked_out,
        by_day=[count.calls for count in days],
        count=counting.total(days),
    )


def _students(courses: Sequence[Course], usual: dict[int, int], *, now: datetime) -> tuple[Counter[int], Counter[int]]:
    """How many students of each course have used something this week, and how many have less left than a usual call
    costs. Today asks more, for one course: also whose latest calls were refused."""
    members = dict(Membership.objects.filter(course__in=courses, is_active=True).values_list("pk", "course"))
    starts = {running_week(course, now=now).starts_at for course in courses}
    weeks = WeeklyUsage.objects.filter(kind=WeeklyUsage.Kind.STUDENT, starts_at__in=starts).order_by()
    used = {account: tokens for account, tokens in weeks.values_list("account", "used") if account in members}
    limits = {course.pk: getattr(course, "quota_policy", None) for course in courses}
    suspects = [
        pk
        for pk, tokens in used.items()
        if (policy := limits[members[pk]]) is None or tokens >= NEARLY * policy.student_weekly_tokens
    ]
    rows = Membership.objects.filter(pk__in=suspects).select_related("user", "course")
    standings = standing.of_members(list(rows), now=now)
    out = Counter(one.member.course_id for one in standings if _is_out(one, usual.get(one.member.course_id)))
    return Counter(members[pk] for pk, tokens in used.items() if tokens), out


def _is_out(one: MemberStanding, usual: int | None) -> bool:
    return lock_of(left=one.left, usual=usual, recent=Recent(), relieved_at=None) is not None
