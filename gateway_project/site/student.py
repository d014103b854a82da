"""One student of a course on one page: the week and why, keys, what was asked for and appealed, and the ledger."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from apps.accounts.admin.api_keys import key_state
from apps.accounts.audit import record
from apps.accounts.course_pages import course_page
from apps.accounts.models import Course, Membership
from apps.accounts.permissions import Verb
from apps.accounts.scoping import may
from apps.accounts.sign_in.step_up import after_step_up
from apps.common import spreadsheets
from apps.conversations import lockouts
from apps.quotas import standing
from apps.quotas.admin import exports
from apps.quotas.ledger import entries
from apps.quotas.models import BY_STAFF, QuotaPolicy, WeeklyUsage
from apps.quotas.policies import Policies, load_policies
from apps.quotas.standing import MemberStanding
from gateway_project.site.students import StudentRow

LINES = 50  # of the ledger, on a page
KEYS = PETITIONS = 10  # that are shown
WEEKS = 60  # to choose from


@course_page
def page(request: HttpRequest, course: Course, member_id: int) -> TemplateResponse:
    member, now = _member(course, member_id), timezone.now()
    policies = load_policies()
    row = _row(course, member, policies=policies, now=now)
    weeks = list(standing.weeks_of(member)[:WEEKS])
    week = _chosen(request, weeks, row.week)
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": member.person,
        "opts": Membership._meta,
        "course": course,
        "member": member,
        "original": member,
        "row": row,
        "own": row.week,
        "sum": standing.sum_of(row.week, policies=policies, now=now).in_words(now=now, timezone=course.timezone),
        "explanation": standing.explain(member, now=now),
        "keys": [(key, key_state(key, now=now)) for key in member.api_keys.select_related("issued_by")[:KEYS]],
        "requests": member.allowance_requests.select_related("decided_by")[:PETITIONS],
        "appeals": member.appeals.select_related("decided_by", "call")[:PETITIONS],
        "fallback": _fallback(member, row.week),
        "weeks": weeks,
        "week": week,
        "page": Paginator(entries.with_sums(week), LINES).get_page(request.GET.get("p")) if week else None,
        "is_ledger_open": bool(request.GET.get("week") or request.GET.get("p")),
        "by_staff": BY_STAFF,
        "zone": course.timezone,
        **_rights(request, course),
    }
    return TemplateResponse(request, "admin/course/student.html", context)


@course_page
@after_step_up
def export(request: HttpRequest, course: Course, member_id: int) -> StreamingHttpResponse:
    """The ledger of one of the student's weeks."""
    member = _member(course, member_id)
    [own] = standing.of_members([member], now=timezone.now())
    week = _chosen(request, list(standing.weeks_of(member)[:WEEKS]), own)
    rows = exports.entries(week, course.timezone) if week else iter(())
    record("ledger.exported", subject=member, after={"week": week.starts_at if week else None})
    return spreadsheets.response(f"ledger-{course.slug}-{member.pk}", exports.ENTRY_COLUMNS, rows)


def _member(course: Course, pk: int) -> Membership:
    member: Membership | None = course.memberships.select_related("user", "course").filter(pk=pk).first()
    if member is None:
        raise Http404
    return member


def _row(course: Course, member: Membership, *, policies: Policies, now: datetime) -> StudentRow:
    """The same as the list shows of this student."""
    own = standing.of_members([member], now=now, policies=policies)
    left = standing.whole_course(course, now=now, policies=policies).remaining
    recent = lockouts.recent_of(course, [member], now=now)
    [locked] = lockouts.with_locks(own, course, left=left, recent=recent, now=now)
    keys = sorted(member.api_keys.valid(now=now), key=lambda key: key.last_used_at or key.created_at)
    return StudentRow(week=locked, key=keys[-1] if keys else None, recent=recent[member.pk])


def _chosen(request: HttpRequest, weeks: Sequence[WeeklyUsage], own: MemberStanding) -> WeeklyUsage | None:
    """The week that the address names, or the current one; None if the current one has no entries."""
    wanted = request.GET.get("week", "")
    if wanted:
        for week in weeks:
            if str(week.pk) == wanted:
                return week
        raise Http404
    return next((week for week in weeks if week.starts_at == own.balance.account.week.starts_at), None)


def _fallback(member: Membership, own: MemberStanding) -> tuple[WeeklyUsage, int] | None:
    """The usage of the fallback model this week, and its limit."""
    start = own.balance.account.week.starts_at
    rows = WeeklyUsage.objects.filter(kind=WeeklyUsage.Kind.FALLBACK, account=member.pk, starts_at=start)
    row, policy = rows.first(), QuotaPolicy.objects.filter(course=member.course).first()
    return (row, policy.fallback_student_weekly_tokens) if row and policy else None


def _rights(request: HttpRequest, course: Course) -> dict[str, bool]:
    return {
        "may_change": may(request, Verb.CHANGE, "QuotaPolicy", course.pk),
        "may_edit": may(request, Verb.CHANGE, "Membership", course.pk),
        "may_issue": may(request, Verb.ADD, "ApiKey", course.pk),
        "may_decide": may(request, Verb.ACT, "AllowanceRequest", course.pk),
    }
