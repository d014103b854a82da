"""Pages about allowances that are no forms of a row: a course's students, one student's week, and decisions.

A course or a student that somebody may not see does not exist for them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db.models import F, Sum, Window
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from apps.accounts.models import Course, Membership
from apps.accounts.scoping import changed_courses, seen_courses
from apps.common.admin import is_operator
from apps.common.display import number
from apps.quotas import allowances, decisions, exports, standing
from apps.quotas.forms import BoostForm, CorrectForm, EndOverrideForm, GrantForm, OverrideForm
from apps.quotas.models import BY_STAFF, Boost, LedgerEntry, Override, QuotaPolicy, WeeklyUsage
from apps.quotas.standing import Standing

PER_PAGE = 50
MOST_AT_ONCE = 5_000
STATES = (("", "All"), ("near", "From 80 %"), ("out", "Used up"), ("unused", "Unused"))


def urls() -> list[URLPattern]:
    """To be added to the pages of allowances."""
    wrap = admin.site.admin_view
    return [
        path("course/<int:course_id>/", wrap(students_page), name="quotas_students"),
        path("course/<int:course_id>/export/", wrap(students_export), name="quotas_students_export"),
        path("course/<int:course_id>/boosts/", wrap(boosts_page), name="quotas_boosts"),
        path("course/<int:course_id>/<slug:action>/", wrap(decide_page), name="quotas_decide"),
        path("boost/<int:boost_id>/end/", wrap(end_boost), name="quotas_end_boost"),
        path("student/<int:member_id>/", wrap(student_page), name="quotas_student"),
        path("student/<int:member_id>/export/", wrap(student_export), name="quotas_student_export"),
    ]


# A course's students


def students_page(request: HttpRequest, course_id: int) -> HttpResponse:
    """Who has least left comes first."""
    course = _seen_course(request, course_id)
    now = timezone.now()
    found = standing.of_course(course, now=now)
    term, state = request.GET.get("q", "").strip().lower(), request.GET.get("state", "")
    shown = [one for one in found if (not state or one.state == state) and _matches(one, term)]
    page = Paginator(shown, PER_PAGE).get_page(request.GET.get("p"))
    context = {
        "title": f"Allowances in {course}",
        "course": course,
        "original": course,
        "policy": QuotaPolicy.objects.filter(course=course).first(),
        "page": page,
        "counts": [(key, label, sum(not key or one.state == key for one in found)) for key, label in STATES],
        "state": state,
        "term": request.GET.get("q", "").strip(),
        "may_change": _may_change(request, course),
        "week": found[0].balance.account.week if found else None,
        "boosts": course.boosts.unfinished(now=now).order_by("starts_at"),
        "is_filtered": bool(term or state),
    }
    with timezone.override(ZoneInfo(course.timezone)):
        return _page(request, "admin/quotas/students.html", context)


def students_export(request: HttpRequest, course_id: int) -> StreamingHttpResponse:
    course = _seen_course(request, course_id)
    found = standing.of_course(course, now=timezone.now())
    return exports.response(f"allowances-{course.slug}", exports.STUDENT_COLUMNS, exports.students(found))


def _matches(one: Standing, term: str) -> bool:
    user = one.member.user
    return not term or any(
        term in text.lower() for text in (one.member.external_id, user.get_full_name(), user.email, user.username)
    )


# One student


def student_page(request: HttpRequest, member_id: int) -> HttpResponse:
    """A student's week as a bar, how its limit came about, and the ledger that adds up to it, line by line."""
    member = _seen_member(request, member_id)
    now = timezone.now()
    [own] = standing.of_members([member], now=now)
    weeks = list(standing.weeks_of(member)[:60])
    week = _chosen(request, weeks, own)
    is_current = week is None or week.starts_at == own.balance.account.week.starts_at
    context = {
        "title": f"{member.user} in {member.course}",
        "member": member,
        "original": member,
        "own": own,
        "explanation": standing.explain(member, now=now),
        "weeks": weeks,
        "week": week,
        "is_current": is_current,
        "zone": member.course.timezone,
        "page": _entries(request, week) if week else None,
        "requests": member.allowance_requests.select_related("decided_by")[:10],
        "fallback": _fallback(member, own),
        "may_change": _may_change(request, member.course),
        "by_staff": BY_STAFF,
    }
    with timezone.override(ZoneInfo(member.course.timezone)):
        return _page(request, "admin/quotas/student.html", context)


def student_export(request: HttpRequest, member_id: int) -> StreamingHttpResponse:
    member = _seen_member(request, member_id)
    [own] = standing.of_members([member], now=timezone.now())
    week = _chosen(request, list(standing.weeks_of(member)[:60]), own)
    rows = exports.entries(week, member.course.timezone) if week else iter(())
    return exports.response(f"ledger-{member.course.slug}-{member.pk}", exports.ENTRY_COLUMNS, rows)


def _chosen(request: HttpRequest, weeks: Sequence[WeeklyUsage], own: Standing) -> WeeklyUsage | None:
    """The week that the address names, or the current one; None if nothing has moved in it yet."""
    wanted = request.GET.get("week", "")
    if wanted:
        for week in weeks:
            if str(week.pk) == wanted:
                return week
        raise Http404
    return next((week for week in weeks if week.starts_at == own.balance.account.week.starts_at), None)


def _entries(request: HttpRequest, week: WeeklyUsage) -> Any:
    rows = (
        LedgerEntry.objects.of(week)
        .select_related("actor")
        .annotate(
            used_so_far=Window(Sum("used_delta"), order_by=F("pk").asc()),
            held_so_far=Window(Sum("held_delta"), order_by=F("pk").asc()),
            granted_so_far=Window(Sum("granted_delta"), order_by=F("pk").asc()),
        )
        .order_by("-pk")
    )
    return Paginator(rows, PER_PAGE).get_page(request.GET.get("p"))


def _fallback(member: Membership, own: Standing) -> tuple[WeeklyUsage, int] | None:
    """What was used of the fallback model this week, and its limit."""
    start = own.balance.account.week.starts_at
    rows = WeeklyUsage.objects.filter(kind=WeeklyUsage.Kind.FALLBACK, account=member.pk, starts_at=start)
    row, policy = rows.first(), QuotaPolicy.objects.filter(course=member.course).first()
    return (row, policy.fallback_student_weekly_tokens) if row and policy else None


# Decisions


@dataclass(frozen=True)
class Action:
    """Something to decide about students: its form, and what it does to them once it is valid."""

    title: str
    sentence: str
    button: str
    form: Callable[..., forms.Form]
    perform: Callable[..., str]


def _grant(members: Sequence[Membership], *, by: Any, now: Any, tokens: int, reason: str) -> str:
    booked = decisions.grant(members, tokens=tokens, reason=reason, by=by, now=now)
    return f"{number(tokens)} tokens granted to {_people(len(booked))}, for this week."


def _override(
    members: Sequence[Membership], *, by: Any, now: Any, weekly_tokens: int, ends_at: Any, reason: str
) -> str:
    rows = [
        Override(membership=member, weekly_tokens=weekly_tokens, starts_at=now, ends_at=ends_at, reason=reason)
        for member in members
    ]
    allowances.decide(new=rows, by=by, now=now)
    return f"{_people(len(rows))} may use {number(weekly_tokens)} a week from now on."


def _end_override(members: Sequence[Membership], *, by: Any, now: Any) -> str:
    return f"{_people(decisions.end_overrides(members, by=by, now=now))} back to the course's allowance."


def _correct(members: Sequence[Membership], *, by: Any, now: Any, used_delta: int, reason: str) -> str:
    done = decisions.correct(members, tokens=used_delta, reason=reason, by=by, now=now)
    return f"Corrected for {_people(len(done))}; the ledger says by whom and why."


def _people(count: int) -> str:
    return f"{count} student" if count == 1 else f"{count} students"


ACTIONS = {
    "grant": Action(
        "Grant tokens", "Each of them gets tokens on top of this week's allowance.", "Grant", GrantForm, _grant
    ),
    "override": Action(
        "Give another allowance",
        "From now on each of them has this allowance instead of the course's.",
        "Give",
        OverrideForm,
        _override,
    ),
    "end-override": Action(
        "Return to the course's allowance",
        "Whoever of them has an allowance of their own has the course's again from now on. What they used stays used.",
        "Return",
        EndOverrideForm,
        _end_override,
    ),
    "correct": Action(
        "Correct what was used",
        "The ledger keeps what it has; a line of its own is added that says what you changed.",
        "Correct",
        CorrectForm,
        _correct,
    ),
}


def decide_page(request: HttpRequest, course_id: int, action: str) -> HttpResponse:
    """Says what will happen to whom, asks for what it takes, and does it when that is sent."""
    course = _changed_course(request, course_id)
    if action not in ACTIONS:
        raise Http404
    chosen = ACTIONS[action]
    members = _chosen_members(request, course)
    back = request.POST.get("next") or request.GET.get("next") or reverse("admin:quotas_students", args=[course.pk])
    back = back if back.startswith("/admin/") else reverse("admin:quotas_students", args=[course.pk])
    if not members:
        messages.warning(request, f"Choose 1 to {number(MOST_AT_ONCE)} students first; nothing was changed.")
        return HttpResponseRedirect(back)
    with timezone.override(ZoneInfo(course.timezone)):
        is_sent = request.method == "POST" and "confirmed" in request.POST
        now = timezone.now()
        form = chosen.form(request.POST if is_sent else None, now=now)
        if is_sent and form.is_valid():
            said = chosen.perform(members, by=request.user, now=now, **form.cleaned_data)
            messages.success(request, f"{said} Live within two seconds.")
            return HttpResponseRedirect(back)
        context = {
            "title": chosen.title,
            "course": course,
            "original": course,
            "action": chosen,
            "members": members,
            "shown": members[:20],
            "more": max(0, len(members) - 20),
            "form": form,
            "back": back,
        }
        return _page(request, "admin/quotas/decide.html", context)


def _chosen_members(request: HttpRequest, course: Course) -> list[Membership]:
    wanted = [int(one) for one in (request.POST or request.GET).getlist("member") if one.isdigit()]
    if len(wanted) > MOST_AT_ONCE:
        return []
    chosen = set(wanted)
    return [one for one in course.memberships.select_related("user", "course") if one.pk in chosen]


# Boosts


def boosts_page(request: HttpRequest, course_id: int) -> HttpResponse:
    """The boosts of a course, and a form for a new one."""
    course = _seen_course(request, course_id)
    may_change = _may_change(request, course)
    now = timezone.now()
    with timezone.override(ZoneInfo(course.timezone)):
        form = BoostForm(request.POST or None, initial={"starts_at": now}, now=now)
        if request.method == "POST":
            _changed_course(request, course_id)
            if form.is_valid():
                Boost(course=course, **form.cleaned_data).give(by=_user(request), now=now)
                messages.success(request, "The boost is set. Live within two seconds of its start.")
                return HttpResponseRedirect(reverse("admin:quotas_boosts", args=[course.pk]))
        boosts = course.boosts.select_related("author", "course")[:50]
        context = {
            "title": f"Boosts in {course}",
            "course": course,
            "original": course,
            "policy": QuotaPolicy.objects.filter(course=course).first(),
            "form": form,
            "boosts": [(one, one.is_over(now=now), one.is_active(now=now)) for one in boosts],
            "may_change": may_change,
        }
        return _page(request, "admin/quotas/boosts.html", context)


def end_boost(request: HttpRequest, boost_id: int) -> HttpResponse:
    boost = get_object_or_404(Boost.objects.select_related("course"), pk=boost_id)
    course = _changed_course(request, boost.course_id)
    if request.method == "POST":
        ended = boost.end(by=_user(request), now=timezone.now())
        messages.success(request, "The boost has ended." if ended else "The boost had ended before.")
    return HttpResponseRedirect(reverse("admin:quotas_boosts", args=[course.pk]))


# Who may


def _page(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    every = admin.site.each_context(request)
    return TemplateResponse(request, template, {**every, "opts": QuotaPolicy._meta, **context}).render()


def _may_change(request: HttpRequest, course: Course) -> bool:
    return is_operator(request) or course.pk in changed_courses(request)


def _seen_course(request: HttpRequest, course_id: int) -> Course:
    if not (is_operator(request) or course_id in seen_courses(request)):
        raise Http404
    return get_object_or_404(Course, pk=course_id)


def _changed_course(request: HttpRequest, course_id: int) -> Course:
    course = _seen_course(request, course_id)
    if not _may_change(request, course):
        raise Http404
    return course


def _seen_member(request: HttpRequest, member_id: int) -> Membership:
    member: Membership = get_object_or_404(Membership.objects.select_related("course", "user"), pk=member_id)
    _seen_course(request, member.course_id)
    return member


def _user(request: HttpRequest) -> Any:
    """Who is signed in; nobody else gets here."""
    return request.user
