"""The Allowance page of a course: its week, who gets what, requests for more, and one form for each kind of change."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from apps.accounts.course_pages import course_page
from apps.accounts.models import Course
from apps.accounts.permissions import Verb
from apps.accounts.scoping import may
from apps.common.display import number
from apps.quotas import decisions, standing
from apps.quotas.admin.access import user_of
from apps.quotas.admin.queue import need, suggested, with_standing
from apps.quotas.models import AllowanceRequest, Boost, LedgerEntry, Override, QuotaPolicy, RoleAllowance, WeeklyUsage
from apps.quotas.policies import Policies
from apps.quotas.policy_snapshot import load_policies
from gateway_project.site.allowance_forms import CourseBoostForm, EveryoneForm, RoleForm, StudentForm

MOST = 25  # of each kind on the page


@dataclass(frozen=True, slots=True)
class AllowancePart:
    """A kind of change: its form, the table that it writes to, and what it does."""

    thing: str
    verb: Verb
    form: Callable[..., forms.BaseForm]
    perform: Callable[[HttpRequest, Course, Any, datetime], str]


def _everyone(request: HttpRequest, course: Course, form: Any, now: datetime) -> str:
    policy = form.save()
    return gettext(
        "Each student of {course} has {student_weekly_tokens} tokens a week. Live within two seconds."
    ).format(course=course, student_weekly_tokens=number(policy.student_weekly_tokens))


def _role(request: HttpRequest, course: Course, form: Any, now: datetime) -> str:
    row = form.save()
    return gettext("Each {role} has {weekly_tokens} tokens a week.").format(
        role=row.get_role_display().lower(), weekly_tokens=number(row.weekly_tokens or 0)
    )


def _student(request: HttpRequest, course: Course, form: Any, now: datetime) -> str:
    member = form.cleaned_data.pop("student")
    given = decisions.give_overrides([member], by=user_of(request), now=now, **form.cleaned_data)
    tokens = number(form.cleaned_data["weekly_tokens"])
    return (
        gettext("{person} has {tokens} tokens a week.").format(person=member.person, tokens=tokens)
        if given
        else gettext("{person} had that allowance before.").format(person=member.person)
    )


def _boost(request: HttpRequest, course: Course, form: Any, now: datetime) -> str:
    if course.boosts.filter(ended_at=None, **form.cleaned_data).exists():
        return gettext("Nothing was changed: there is such a boost already.")
    boost = Boost(course=course, **form.cleaned_data)
    decisions.give(boost, by=user_of(request), now=now)
    until = f"{timezone.localtime(boost.ends_at):%A %d %B, %H:%M}"
    return gettext("Everybody’s week is multiplied by {shown_factor}, until {until}.").format(
        shown_factor=boost.shown_factor, until=until
    )


PARTS = {
    "everyone": AllowancePart("QuotaPolicy", Verb.CHANGE, EveryoneForm, _everyone),
    "role": AllowancePart("RoleAllowance", Verb.CHANGE, RoleForm, _role),
    "student": AllowancePart("Override", Verb.ADD, StudentForm, _student),
    "boost": AllowancePart("Boost", Verb.ADD, CourseBoostForm, _boost),
}


@course_page
def page(request: HttpRequest, course: Course) -> HttpResponse:
    return _shown(request, course, None, "")


@course_page
def change(request: HttpRequest, course: Course, part: str) -> HttpResponse:
    """One of the page's forms was sent: done and back, or the page again with what is wrong."""
    if part not in PARTS:
        raise Http404
    address = reverse("admin:course_allowance", args=[course.slug])
    if request.method != "POST":
        return HttpResponseRedirect(f"{address}#{part}")
    chosen, now = PARTS[part], timezone.now()
    if not may(request, chosen.verb, chosen.thing, course.pk):
        raise PermissionDenied
    form: Any = chosen.form(request.POST, course=course, now=now)
    if form.is_valid():
        try:
            messages.success(request, chosen.perform(request, course, form, now))
            return HttpResponseRedirect(address)
        except ValidationError as error:
            form.add_error(None, error.messages)
    return _shown(request, course, form, part)


@require_POST
@course_page
def end(request: HttpRequest, course: Course, part: str, pk: int) -> HttpResponse:
    """End a boost or an allowance of one student, or give a role the allowance of students again."""
    rows: dict[str, Any] = {
        "boost": Boost.objects.filter(course=course),
        "student": Override.objects.filter(membership__course=course).select_related("membership__course"),
        "role": RoleAllowance.objects.filter(course=course),
    }
    row = rows[part].filter(pk=pk).first() if part in rows else None
    if row is None:
        raise Http404
    verb = Verb.DELETE if part == "role" else Verb.ACT
    if not may(request, verb, type(row).__name__, course.pk):
        raise PermissionDenied
    if part == "role":
        row.delete()
        messages.success(
            request, gettext("{role}s have the allowance of students again.").format(role=row.get_role_display())
        )
    elif decisions.end(row, by=user_of(request), now=timezone.now()):
        messages.success(request, gettext("Ended: {summary}. What was used stays used.").format(summary=row.summary))
    else:
        messages.warning(request, gettext("It had ended before; nothing was changed."))
    return HttpResponseRedirect(reverse("admin:course_allowance", args=[course.slug]))


def _shown(request: HttpRequest, course: Course, sent: Any, part: str) -> HttpResponse:
    now = timezone.now()
    policies = load_policies()
    balance = standing.whole_course(course, now=now, policies=policies)
    bound = {name: one.form(course=course, now=now) for name, one in PARTS.items()}
    context = {
        **admin.site.each_context(request),
        "title": gettext("Allowance"),
        "course": course,
        "policy": QuotaPolicy.objects.filter(course=course).first(),
        "balance": balance,
        "days_left": max((balance.account.week.ends_at - now).days, 0),
        "forms": {**bound, part: sent} if sent is not None else bound,
        "opened": part,
        "asked": _asked(request, course, policies),
        **_lines(course, now=now),
        "granted": _granted(course, balance.account.week.starts_at),
        "may_change": may(request, Verb.CHANGE, "QuotaPolicy", course.pk),
        "may_decide": may(request, Verb.ACT, "AllowanceRequest", course.pk),
    }
    return TemplateResponse(request, "admin/course/allowance.html", context)


def _asked(request: HttpRequest, course: Course, policies: Policies) -> list[tuple[Any, int, str]]:
    """Open requests by need, each with the amount that its button grants and what that is."""
    if not may(request, Verb.SEE, "AllowanceRequest", course.pk):
        return []
    rows = AllowanceRequest.objects.filter(membership__course=course).open()
    found = sorted(with_standing(rows.select_related("membership__user", "membership__course"), policies), key=need)
    return [(row, *suggested(row)) for row in found]


def _lines(course: Course, *, now: datetime) -> dict[str, Any]:
    overrides = Override.objects.unfinished(now=now).filter(membership__course=course)
    return {
        "roles": course.role_allowances.all(),
        "overrides": overrides.select_related("membership__user", "author").order_by("-pk")[:MOST],
        "overrides_total": overrides.count(),
        "boosts": [
            (one, one.is_active(now=now))
            for one in course.boosts.unfinished(now=now).select_related("author").order_by("starts_at")[:MOST]
        ],
    }


def _granted(course: Course, starts_at: datetime) -> Sequence[LedgerEntry]:
    """The latest grants of this week, with the student of each. Weeks with a grant are few; reads those alone."""
    members = {one.pk: one for one in course.memberships.select_related("user")}
    weeks = WeeklyUsage.objects.filter(kind=WeeklyUsage.Kind.STUDENT, starts_at=starts_at, granted__gt=0)
    ids = {pk: account for pk, account in weeks.values_list("pk", "account") if account in members}
    # Spelled as in the condition of the index of staff's entries, or it would not be used.
    rows = LedgerEntry.objects.filter(usage__in=list(ids), kind="grant").select_related("actor").order_by("-at")
    found: list[Any] = list(rows[:MOST])
    for row in found:
        row.member = members[ids[row.usage_id]]
    return found
