"""A student's week in a course: what is left and why, what it buys, and asking for more."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from apps.accounts.models import Membership
from apps.accounts.petitions import Petition
from apps.common.cursor import cursor_on
from apps.common.display import number
from apps.common.translation import lazy as _
from apps.conversations import lockouts
from apps.portal.pages.access import Visit, shown, student_page
from apps.providers.models import CourseModel
from apps.quotas import requests, standing
from apps.quotas.in_words import UsualCall, in_words
from apps.quotas.models.requests import MOST_TOKENS
from apps.quotas.policies import Policies
from apps.quotas.policy_snapshot import load_policies
from apps.quotas.requests import NewRequest
from apps.quotas.standing import MemberStanding

SHOWN = 5  # earlier requests
FILED = _("Your instructor has your request for {tokens} tokens. What becomes of it stands on this page.")
REFUSALS = {
    requests.OPEN_ALREADY: _("You have asked for more this week already, and nobody has decided yet."),
    requests.TOO_MANY: _("You have asked for more {most} times this week. Talk to your instructor."),
}


class MoreForm(forms.Form):
    tokens = forms.IntegerField(
        label=_("Tokens"),
        min_value=1,
        max_value=MOST_TOKENS,
        error_messages={"required": _("Say how many tokens you need.")},
    )
    reason = forms.CharField(
        label=_("Why you need them"),
        max_length=Petition.LONGEST,
        widget=forms.Textarea({"rows": 2}),
        error_messages={"required": _("Write a sentence: your instructor decides by it.")},
    )


@require_http_methods(["GET", "HEAD", "POST"])
@student_page
def page(request: HttpRequest, visit: Visit) -> HttpResponse:
    form = MoreForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        return _ask(request, visit, form.cleaned_data)
    response = shown(request, visit, "week", {"form": form, **_week(visit.member, now=visit.now)})
    response.status_code = 400 if form.errors else 200
    return response


def _ask(request: HttpRequest, visit: Visit, asked: dict[str, Any]) -> HttpResponse:
    [own] = standing.of_members([visit.member], now=visit.now)
    new = NewRequest(
        membership_id=visit.member.pk,
        week_starts_at=own.balance.account.week.starts_at,
        tokens=asked["tokens"],
        reason=asked["reason"],
        now=visit.now,
    )
    with transaction.atomic():
        connection.ensure_connection()
        [filed] = requests.file(cursor_on(connection), [new])
    if isinstance(filed, str):
        messages.error(request, REFUSALS[filed].format(most=requests.MOST_A_WEEK))
    else:
        messages.success(request, FILED.format(tokens=number(new.tokens)))
    return HttpResponseRedirect(reverse("portal:week", args=[visit.course.slug]))


def _week(member: Membership, *, now: datetime) -> dict[str, Any]:
    course, policies, usual = member.course, load_policies(), lockouts.usual_call(member.course)
    own = _standing(member, usual=usual, policies=policies, now=now)
    more = member.allowance_requests.select_related("decided_by").order_by("-pk")[:SHOWN]
    return {
        "own": own,
        "answers": in_words(own.left, usual),
        "sum": standing.sum_of(own, policies=policies, now=now).in_words(now=now, timezone=course.timezone),
        "source": standing.explain(member, now=now),
        "has_policy": course.pk in policies.courses,
        "sizes": _sizes(own, usual),
        "requests": more,
        "has_asked": any(one.state == "open" for one in more),
        "models": [row.model for row in CourseModel.objects.offered().filter(course=course).select_related("model")],
    }


def _standing(member: Membership, *, usual: UsualCall | None, policies: Policies, now: datetime) -> MemberStanding:
    """With whether the next usual call would be refused, as the staff's list has it."""
    own = standing.of_members([member], now=now, policies=policies)
    left = standing.whole_course(member.course, now=now, policies=policies).remaining
    recent = lockouts.recent_of(member.course, [member], now=now)
    [locked] = standing.with_locks(own, member.course, left=left, usual=usual, recent=recent, now=now)
    return locked


def _sizes(own: MemberStanding, usual: UsualCall | None) -> list[tuple[int, str]]:
    """Three amounts to choose from: a tenth, a quarter and a half of the usual week, in round numbers."""
    if not own.base:
        return []
    amounts = [_round(own.base // part) for part in (10, 4, 2)]
    return [(amount, in_words(amount, usual)) for amount in dict.fromkeys(amounts) if amount]


def _round(tokens: int) -> int:
    step: int = 10 ** max(0, len(str(tokens)) - 2)
    return tokens // step * step
