"""Pages about allowances other than forms of rows: a course's students, one student's week, and boosts."""

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from apps.accounts.audit import record
from apps.accounts.models import Course, Membership
from apps.accounts.sign_in.step_up import after_step_up
from apps.common.searching import mistake
from apps.quotas import decisions, standing
from apps.quotas.admin import exports
from apps.quotas.admin.access import changed_course, may_change, render, seen_course, seen_member, user_of
from apps.quotas.admin.bulk import decide_page
from apps.quotas.admin.forms import BoostForm
from apps.quotas.ledger import entries
from apps.quotas.models import BY_STAFF, Boost, QuotaPolicy, WeeklyUsage
from apps.quotas.standing import MemberStanding

PER_PAGE = 50
STATES = (("", "All"), ("near", "Near the limit"), ("out", "Used up"), ("unused", "Unused"))


def urls() -> list[URLPattern]:
    """Addresses to add to those of the allowance pages."""
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
    """The students of a course, those with least left first."""
    course = seen_course(request, course_id)
    now = timezone.now()
    found = standing.of_course(course, now=now)
    term, state = _filter(request)
    if wrong := mistake(term):
        messages.warning(request, wrong)
    page = Paginator(_filtered(found, term, state), PER_PAGE).get_page(request.GET.get("p"))
    context = {
        "title": f"Allowances in {course}",
        "course": course,
        "original": course,
        "policy": QuotaPolicy.objects.filter(course=course).first(),
        "page": page,
        "counts": [(key, label, sum(not key or one.state == key for one in found)) for key, label in STATES],
        "state": state,
        "term": term,
        "may_change": may_change(request, course),
        "week": found[0].balance.account.week if found else None,
        "boosts": course.boosts.unfinished(now=now).order_by("starts_at"),
        "is_filtered": bool(term or state),
        "is_all": request.GET.get("all") == "1",
    }
    with timezone.override(ZoneInfo(course.timezone)):
        return render(request, "admin/quotas/students.html", context)


@after_step_up
def students_export(request: HttpRequest, course_id: int) -> StreamingHttpResponse:
    """Exports the students that the page shows with the same filter."""
    course = seen_course(request, course_id)
    found = _filtered(standing.of_course(course, now=timezone.now()), *_filter(request))
    record("allowances.exported", subject=course, after={"rows": len(found)})
    return exports.response(f"allowances-{course.slug}", exports.STUDENT_COLUMNS, exports.students(found))


def _filter(request: HttpRequest) -> tuple[str, str]:
    """The search term and the state."""
    return request.GET.get("q", "").strip(), request.GET.get("state", "")


def _filtered(found: Sequence[MemberStanding], term: str, state: str) -> list[MemberStanding]:
    if mistake(term):
        return []
    return [one for one in found if (not state or one.state == state) and _matches(one, term.lower())]


def _matches(one: MemberStanding, term: str) -> bool:
    member = one.member
    shown = (member.external_id, member.name, member.email, member.person)
    return not term or any(term in text.lower() for text in shown)


# One student


def student_page(request: HttpRequest, member_id: int) -> HttpResponse:
    """A student's week as a bar, what its limit consists of, and the ledger line by line."""
    member = seen_member(request, member_id)
    now = timezone.now()
    [own] = standing.of_members([member], now=now)
    weeks = list(standing.weeks_of(member)[:60])
    week = _chosen(request, weeks, own)
    is_current = week is None or week.starts_at == own.balance.account.week.starts_at
    context = {
        "title": f"{member.person} in {member.course}",
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
        "may_change": may_change(request, member.course),
        "by_staff": BY_STAFF,
    }
    with timezone.override(ZoneInfo(member.course.timezone)):
        return render(request, "admin/quotas/student.html", context)


@after_step_up
def student_export(request: HttpRequest, member_id: int) -> StreamingHttpResponse:
    member = seen_member(request, member_id)
    [own] = standing.of_members([member], now=timezone.now())
    week = _chosen(request, list(standing.weeks_of(member)[:60]), own)
    rows = exports.entries(week, member.course.timezone) if week else iter(())
    record("ledger.exported", subject=member, after={"week": week.starts_at if week else None})
    return exports.response(f"ledger-{member.course.slug}-{member.pk}", exports.ENTRY_COLUMNS, rows)


def _chosen(request: HttpRequest, weeks: Sequence[WeeklyUsage], own: MemberStanding) -> WeeklyUsage | None:
    """The week that the address names, or the current one; None if the current one has no entries."""
    wanted = request.GET.get("week", "")
    if wanted:
        for week in weeks:
            if str(week.pk) == wanted:
                return week
        raise Http404
    return next((week for week in weeks if week.starts_at == own.balance.account.week.starts_at), None)


def _entries(request: HttpRequest, week: WeeklyUsage) -> Any:
    return Paginator(entries.with_sums(week), PER_PAGE).get_page(request.GET.get("p"))


def _fallback(member: Membership, own: MemberStanding) -> tuple[WeeklyUsage, int] | None:
    """The usage of the fallback model this week, and its limit."""
    start = own.balance.account.week.starts_at
    rows = WeeklyUsage.objects.filter(kind=WeeklyUsage.Kind.FALLBACK, account=member.pk, starts_at=start)
    row, policy = rows.first(), QuotaPolicy.objects.filter(course=member.course).first()
    return (row, policy.fallback_student_weekly_tokens) if row and policy else None


# Boosts


def boosts_page(request: HttpRequest, course_id: int) -> HttpResponse:
    """The boosts of a course, and a form for a new one."""
    course = seen_course(request, course_id)
    now = timezone.now()
    with timezone.override(ZoneInfo(course.timezone)):
        form = BoostForm(request.POST or None, initial={"starts_at": now}, now=now)
        if request.method == "POST":
            changed_course(request, course_id)
            if form.is_valid():
                if _is_set(course, form.cleaned_data):
                    messages.warning(request, "Nothing was changed: there is such a boost already.")
                    return HttpResponseRedirect(reverse("admin:quotas_boosts", args=[course.pk]))
                try:
                    decisions.give(Boost(course=course, **form.cleaned_data), by=user_of(request), now=now)
                except ValidationError as error:
                    form.add_error(None, error.messages)
                else:
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
            "may_change": may_change(request, course),
        }
        return render(request, "admin/quotas/boosts.html", context)


def _is_set(course: Course, values: dict[str, Any]) -> bool:
    """True if the same form was sent before, so that a double click sets one boost."""
    return course.boosts.filter(ended_at=None, **values).exists()


def end_boost(request: HttpRequest, boost_id: int) -> HttpResponse:
    boost = get_object_or_404(Boost.objects.select_related("course"), pk=boost_id)
    course = changed_course(request, boost.course_id)
    if request.method == "POST":
        ended = decisions.end(boost, by=user_of(request), now=timezone.now())
        messages.success(request, "The boost has ended." if ended else "The boost had ended before.")
    return HttpResponseRedirect(reverse("admin:quotas_boosts", args=[course.pk]))
