"""The students of a course: who is locked out, who has no key, and how much each has left this week."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.http import HttpRequest, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext

from apps.accounts.audit import record
from apps.accounts.course_pages import course_page
from apps.accounts.models import ApiKey, Course, Membership, Role
from apps.accounts.permissions import Verb
from apps.accounts.scoping import may
from apps.accounts.sign_in.step_up import after_step_up
from apps.common import spreadsheets
from apps.common.display import Shown
from apps.common.searching import mistake
from apps.common.translation import lazy as _
from apps.conversations import lockouts
from apps.quotas import standing
from apps.quotas.admin import exports
from apps.quotas.ledger.movements import Balance
from apps.quotas.locks import Recent
from apps.quotas.policies import Policies
from apps.quotas.policy_snapshot import load_policies
from apps.quotas.standing import MemberStanding

PER_PAGE = 50
NOBODY = Recent()
# In the order of the tabs. A student is in the first of these states that fits, and staff need no key.
STATES = {
    "out": Shown(_("locked out"), "bad"),
    "keyless": Shown(_("no key"), "warning", _("Cannot ask anything yet")),
    "near": Shown(_("near"), "warning", _("80 percent of the week are used")),
    "unused": Shown(_("key never used"), ""),
    "fine": Shown(_("fine"), "good"),
    "inactive": Shown(_("deactivated"), "", _("Keys are refused")),
}
TABS = (
    ("out", _("Locked out")),
    ("", _("All")),
    ("near", _("Near")),
    ("keyless", _("No key")),
    ("unused", _("Key never used")),
    ("fine", _("Fine")),
    ("inactive", _("Deactivated")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentRow:
    """One student in the list: week, key and latest call. `key` is the valid key that was used last."""

    week: MemberStanding
    key: ApiKey | None = None
    recent: Recent = NOBODY

    @property
    def member(self) -> Membership:
        return self.week.member

    @property
    def state(self) -> str:
        """One of STATES."""
        if not self.member.is_active:
            return "inactive"
        if self.week.state == "out":
            return "out"
        if self.key is None and self.member.role == Role.STUDENT:
            return "keyless"
        if self.week.state == "near":
            return "near"
        never = self.key is not None and self.key.last_used_at is None and self.recent.last_at is None
        return "unused" if never else "fine"

    @property
    def shown(self) -> Shown:
        return STATES[self.state]


@course_page
def page(request: HttpRequest, course: Course) -> TemplateResponse:
    now, policies = timezone.now(), load_policies()
    whole = standing.whole_course(course, now=now, policies=policies)
    rows = rows_of(course, whole=whole, policies=policies, now=now)
    term, state = _filter(request)
    if wrong := mistake(term):
        messages.warning(request, wrong)
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": gettext("Students"),
        "opts": Membership._meta,
        "course": course,
        "page": Paginator(_filtered(rows, term, state), PER_PAGE).get_page(request.GET.get("p")),
        "tabs": [(key, label, sum(_is_in(row, key) for row in rows)) for key, label in TABS],
        "state": state,
        "term": term,
        "is_filtered": bool(term or state),
        "is_all": request.GET.get("all") == "1",
        **_rights(request, course),
        **_week(course, whole, policies=policies, now=now),
    }
    return TemplateResponse(request, "admin/course/students.html", context)


@course_page
@after_step_up
def export(request: HttpRequest, course: Course) -> StreamingHttpResponse:
    """Exports the students that the page shows with the same filter."""
    now, policies = timezone.now(), load_policies()
    whole = standing.whole_course(course, now=now, policies=policies)
    found = _filtered(rows_of(course, whole=whole, policies=policies, now=now), *_filter(request))
    record("allowances.exported", subject=course, after={"rows": len(found)})
    rows = exports.students([row.week for row in found], [row.shown.words for row in found])
    return spreadsheets.response(f"students-{course.slug}", exports.STUDENT_COLUMNS, rows)


def rows_of(course: Course, *, whole: Balance, policies: Policies, now: datetime) -> list[StudentRow]:
    """Everybody in the course: locked out first, then those with least left; who is deactivated comes last.

    The same few queries, however many there are. `whole` is the week of the course.
    """
    members = list(course.memberships.select_related("user", "course").order_by("external_id"))
    weeks = standing.of_members(members, now=now, policies=policies)
    recent = lockouts.recent_of(course, members, now=now)
    usual = lockouts.usual_call(course)
    locked = standing.with_locks(weeks, course, left=whole.remaining, usual=usual, recent=recent, now=now)
    keys = _keys_of(course, now=now)
    rows = [StudentRow(week=one, key=keys.get(one.member.pk), recent=recent[one.member.pk]) for one in locked]
    return sorted(rows, key=_most_urgent)


def _most_urgent(row: StudentRow) -> tuple[Any, ...]:
    return row.state == "inactive", row.state != "out", *standing.least_left(row.week)


def _keys_of(course: Course, *, now: datetime) -> dict[int, ApiKey]:
    """The valid key of each member that was used last, or else the newest."""
    valid = ApiKey.objects.valid(now=now).filter(membership__course=course).order_by("pk")
    latest: dict[int, ApiKey] = {}
    for key in valid:
        kept = latest.get(key.membership_id)
        if kept is None or _used(key) >= _used(kept):
            latest[key.membership_id] = key
    return latest


def _used(key: ApiKey) -> float:
    return key.last_used_at.timestamp() if key.last_used_at else 0


def _filter(request: HttpRequest) -> tuple[str, str]:
    """The search term and the state."""
    return request.GET.get("q", "").strip(), request.GET.get("state", "")


def _is_in(row: StudentRow, state: str) -> bool:
    return row.state == state if state else row.state != "inactive"


def _filtered(rows: Sequence[StudentRow], term: str, state: str) -> list[StudentRow]:
    if mistake(term):
        return []
    return [row for row in rows if _is_in(row, state) and _matches(row.member, term.lower())]


def _matches(member: Membership, term: str) -> bool:
    shown = (member.external_id, member.name, member.email, member.person)
    return not term or any(term in text.lower() for text in shown)


def _rights(request: HttpRequest, course: Course) -> dict[str, bool]:
    return {
        "may_change": may(request, Verb.CHANGE, "QuotaPolicy", course.pk),
        "may_add": may(request, Verb.ADD, "Membership", course.pk),
        "may_issue": may(request, Verb.ADD, "ApiKey", course.pk),
    }


def _week(course: Course, whole: Balance, *, policies: Policies, now: datetime) -> dict[str, Any]:
    """What the whole course has left, and for how long."""
    seconds = (whole.account.week.ends_at - now).total_seconds()
    return {
        "whole": whole,
        "days": max(1, round(seconds / 86_400)),
        "policy": policies.courses.get(course.pk),
        "boosts": course.boosts.active(now=now).order_by("ends_at"),
    }
