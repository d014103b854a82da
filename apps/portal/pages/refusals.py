"""What rules did to a student's calls, why, and telling the instructor that one was wrong."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Prefetch, Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from apps.accounts.models import Membership
from apps.accounts.petitions import Petition
from apps.common.cursor import cursor_on
from apps.common.translation import lazy as _
from apps.conversations import appeals
from apps.conversations.appeals import NewAppeal
from apps.conversations.models import Call, RuleHit
from apps.conversations.passages import Reading, exchanges, read_page
from apps.portal.pages.access import Visit, shown, student_page
from apps.rules.models import Rule

CALLS_ON_A_PAGE = 10
NAMELESS = _("a rule of your course")
FILED = _("Your instructor reads what you wrote. What becomes of it stands here.")
REFUSALS = {
    appeals.NO_SUCH_CALL: _("There is no such call of yours."),
    appeals.NOT_REFUSED: _("No rule has refused or changed this call."),
    appeals.APPEALED: _("You have written about this call already."),
    appeals.TOO_MANY: _("You have written {most} times without an answer. Talk to your instructor."),
}
# What students meet. Rules that are only observed, or that guide the model, are the staff's affair.
TOLD = RuleHit.objects.filter(
    stage__in=(Rule.Stage.ENFORCE, Rule.Stage.WARN), action__in=(Rule.Action.BLOCK, Rule.Action.REDACT)
).select_related("rule")


class AppealForm(forms.Form):
    call = forms.CharField(max_length=64, widget=forms.HiddenInput)
    reason = forms.CharField(
        label=_("Why this was wrong"),
        max_length=Petition.LONGEST,
        widget=forms.Textarea({"rows": 2}),
        error_messages={"required": _("Write a sentence: your instructor decides by it.")},
    )


@require_http_methods(["GET", "HEAD", "POST"])
@student_page
def page(request: HttpRequest, visit: Visit) -> HttpResponse:
    if request.method == "POST":
        return _appeal(request, visit, AppealForm(request.POST))
    pages = Paginator(told_calls(visit.member), CALLS_ON_A_PAGE).get_page(request.GET.get("page"))
    refusals = [(one, said(one), outcome(one)) for one in read_as_student(pages, now=visit.now)]
    return shown(request, visit, "refused", {"page": pages, "refusals": refusals})


def told_calls(member: Membership) -> Any:
    """The calls of which rules told the student, with their text, the hits they were told of and their appeal."""
    told = TOLD.filter(call=OuterRef("pk"))
    rows = Call.objects.filter(membership=member).filter(Q(status=Call.Status.BLOCKED) | Exists(told))
    return with_told_hits(rows).select_related("appeal").order_by("-pk")


def with_told_hits(rows: Any) -> Any:
    """Calls to read, as `exchanges` has them, but with those hits only that students are told of."""
    return exchanges(rows).prefetch_related(None).prefetch_related("turns", Prefetch("rule_hits", queryset=TOLD))


def read_as_student(calls: Iterable[Call], *, now: datetime) -> list[Reading]:
    """The calls as their student reads them: what rules are called is the staff's affair."""
    calls = list(calls)
    for call in calls:
        for hit in call.rule_hits.all():
            hit.name = str(NAMELESS)
    return read_page(calls, now=now)


def outcome(reading: Reading) -> str:
    """`refused`, `changed`, or `reminder` of a rule that warns, which nobody appeals against."""
    if reading.call.status == Call.Status.BLOCKED:
        return "refused"
    return "changed" if any(hit.stage == Rule.Stage.ENFORCE for hit in reading.hits) else "reminder"


def said(reading: Reading) -> list[str]:
    """The sentences of the rules, the one of the highest priority first."""
    rules = [hit.rule for hit in reading.hits if hit.rule is not None]
    rules.sort(key=lambda rule: -rule.priority)
    return list(dict.fromkeys(rule.message for rule in rules if rule.message))


def _appeal(request: HttpRequest, visit: Visit, form: AppealForm) -> HttpResponse:
    if not form.is_valid():
        messages.error(request, str(next(iter(form.errors.values()))[0]))
    elif refused := _file(visit, form.cleaned_data):
        messages.error(request, REFUSALS[refused].format(most=appeals.MOST_OPEN))
    else:
        messages.success(request, FILED)
    return HttpResponseRedirect(reverse("portal:refused", args=[visit.course.slug]))


def _file(visit: Visit, said: dict[str, Any]) -> str:
    appeal = NewAppeal(membership_id=visit.member.pk, call_id=said["call"], reason=said["reason"], now=visit.now)
    with transaction.atomic():
        connection.ensure_connection()
        [refused] = appeals.file(cursor_on(connection), [appeal])
    return refused
