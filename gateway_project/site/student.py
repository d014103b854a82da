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
from apps.accounts.models import ApiKey, Course, Membership
from apps.accounts.permissions import Verb
from apps.accounts.scoping import may
from apps.accounts.sign_in.step_up import after_step_up
from apps.common import spreadsheets
from apps.conversations import lockouts
from apps.quotas import standing
from apps.quotas.admin import exports
from apps.quotas.in_words import UsualCall, in_words
from apps.quotas.ledger import entries
from apps.quotas.models import BY_STAFF, WeeklyUsage
from apps.quotas.policies import Policies
from apps.quotas.policy_snapshot import load_policies
from apps.quotas.standing import MemberStanding
from gateway_project.site.students import StudentRow

LINES = 50  # of the ledger, on a page
KEYS = PETITIONS = 10  # that are shown
WEEKS = 60  # to choose from


@course_page
def page(request: HttpRequest, course: Course, member_id: int) -> TemplateResponse:
    member, now, policies = _member(course, member_id), timezone.now(), load_policies()
    usual = lockouts.usual_call(course)
    own = _week(course, member, usual=usual, policies=policies, now=now)
    keys = list(member.api_keys.select_related("issued_by")[:KEYS])
    row = StudentRow(week=own.week, key=_latest(keys, now=now), recent=own.recent)
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
        "answers": in_words(row.week.left, usual),
        "explanation": standing.explain(member, now=now),
        "keys": [(key, key_state(key, now=now)) for key in keys],
        "requests": member.allowance_requests.select_related("decided_by")[:PETITIONS],
        "appeals": member.appeals.select_related("decided_by", "call")[:PETITIONS],
        "fallback": _fallback(member, row.week, policies),
        "zone": course.timezone,
        **_ledger(request, member, row.week),
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


def _week(
    course: Course, member: Membership, *, usual: UsualCall | None, policies: Policies, now: datetime
) -> StudentRow:
    """The same as the list says of this student's week, without the key."""
    own = standing.of_members([member], now=now, policies=policies)
    left = standing.whole_course(course, now=now, policies=policies).remaining
    recent = lockouts.recent_of(course, [member], now=now)
    [locked] = standing.with_locks(own, course, left=left, usual=usual, recent=recent, now=now)
    return StudentRow(week=locked, recent=recent[member.pk])


def _latest(keys: Sequence[ApiKey], *, now: datetime) -> ApiKey | None:
    valid = [key for key in keys if key.is_valid(now=now)]
    return max(valid, key=lambda key: key.last_used_at or key.created_at, default=None)


def _ledger(request: HttpRequest, member: Membership, own: MemberStanding) -> dict[str, Any]:
    """The lines of a week. They are an auditor's, so they are read only once somebody unfolds them."""
    if not {"ledger", "week", "p"} & set(request.GET):
        return {"is_ledger_open": False}
    weeks = list(standing.weeks_of(member)[:WEEKS])
    week = _chosen(request, weeks, own)
    page = Paginator(entries.with_sums(week), LINES).get_page(request.GET.get("p")) if week else None
    return {"is_ledger_open": True, "weeks": weeks, "week": week, "page": page, "by_staff": BY_STAFF}


def _chosen(request: HttpRequest, weeks: Sequence[WeeklyUsage], own: MemberStanding) -> WeeklyUsage | None:
    """The week that the address names, or the current one; None if the current one has no entries."""
    wanted = request.GET.get("week", "")
    if wanted:
        for week in weeks:
            if str(week.pk) == wanted:
                return week
        raise Http404
    return next((week for week in weeks if week.starts_at == own.balance.account.week.starts_at), None)


def _fallback(member: Membership, own: MemberStanding, policies: Policies) -> tuple[WeeklyUsage, int] | None:
    """The usage of the fallback model this week, and its limit."""
    if not policies.fallback_model(member.course_id):
        return None
    start = own.balance.account.week.starts_at
    row = WeeklyUsage.objects.filter(kind=WeeklyUsage.Kind.FALLBACK, account=member.pk, starts_at=start).first()
    return (row, policies.of(member.course_id).fallback_student_weekly_tokens) if row else None


def _rights(request: HttpRequest, course: Course) -> dict[str, bool]:
    return {
        "may_change": may(request, Verb.CHANGE, "QuotaPolicy", course.pk),
        "may_edit": may(request, Verb.CHANGE, "Membership", course.pk),
        "may_issue": may(request, Verb.ADD, "ApiKey", course.pk),
        "may_decide": may(request, Verb.ACT, "AllowanceRequest", course.pk),
    }
