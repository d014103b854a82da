"""Decisions about many students at once: a page that says what will happen to whom, and does it once confirmed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from apps.accounts.models import Course, Membership
from apps.common.display import number
from apps.common.translation import lazy as _
from apps.quotas import decisions, standing
from apps.quotas.admin.access import changed_course, render
from apps.quotas.admin.forms import CorrectForm, EndOverrideForm, GrantForm, OverrideForm
from apps.quotas.admin.grants import beyond, tell_granted
from apps.quotas.ledger import booking
from apps.quotas.models import QuotaPolicy

SHOWN = 20  # chosen students who are listed with what they have left


@dataclass(frozen=True)
class Action:
    """A decision about students: its form, and what it does once the form is valid.

    `perform` returns how many students it changed, and a sentence that says what.
    """

    title: str
    sentence: str
    button: str
    form: Callable[..., forms.Form]
    perform: Callable[..., tuple[int, str]]


def _grant(members: Sequence[Membership], *, tokens: int, **said: Any) -> tuple[int, str]:
    count = decisions.grant(members, tokens=tokens, **said)
    return count, gettext("{tokens} tokens granted to {count}, for this week.").format(
        tokens=number(tokens), count=_people(count)
    )


def _override(members: Sequence[Membership], *, weekly_tokens: int, **said: Any) -> tuple[int, str]:
    count = decisions.give_overrides(members, weekly_tokens=weekly_tokens, **said)
    return count, gettext("{count} may use {weekly_tokens} tokens a week from now on.").format(
        count=_people(count), weekly_tokens=number(weekly_tokens)
    )


def _end_override(members: Sequence[Membership], *, by: Any, now: Any) -> tuple[int, str]:
    count = decisions.end_overrides(members, by=by, now=now)
    return count, gettext("{count} back to the course's allowance.").format(count=_people(count))


def _correct(members: Sequence[Membership], *, used_delta: int, **said: Any) -> tuple[int, str]:
    count = decisions.correct(members, tokens=used_delta, **said)
    return count, gettext("Corrected for {count}; the ledger says by whom and why.").format(count=_people(count))


def _people(count: int) -> str:
    return ngettext("{count} student", "{count} students", count).format(count=count)


ACTIONS = {
    "grant": Action(
        _("Grant tokens"),
        _("Each of them gets tokens on top of this week's allowance."),
        _("Grant tokens to {}"),
        GrantForm,
        _grant,
    ),
    "override": Action(
        _("Give another allowance"),
        _("From now on each of them has this allowance instead of the course's."),
        _("Give this allowance to {}"),
        OverrideForm,
        _override,
    ),
    "end-override": Action(
        _("Return to the course's allowance"),
        _("Those with an allowance of their own have the course's again from now on. What they used stays used."),
        _("Return {} to the course's allowance"),
        EndOverrideForm,
        _end_override,
    ),
    "correct": Action(
        _("Correct what was used"),
        _("The ledger keeps what it has; a line of its own is added that says what you changed."),
        _("Correct what {} used"),
        CorrectForm,
        _correct,
    ),
}


def decide_page(request: HttpRequest, course_id: int, action: str) -> HttpResponse:
    """Says what will happen to whom, asks for the details, and does it once confirmed."""
    course = changed_course(request, course_id)
    if action not in ACTIONS:
        raise Http404
    chosen = ACTIONS[action]
    members = _chosen_members(request, course)
    back = request.POST.get("next") or request.GET.get("next") or reverse("admin:course_students", args=[course.slug])
    back = back if back.startswith("/admin/") else reverse("admin:course_students", args=[course.slug])
    if not members:
        messages.warning(request, gettext("Choose at least one student first; nothing was changed."))
        return HttpResponseRedirect(back)
    with timezone.override(ZoneInfo(course.timezone)):
        is_sent = request.method == "POST" and "confirmed" in request.POST
        now = timezone.now()
        form = chosen.form(request.POST if is_sent else None, now=now)
        question = ""
        if is_sent and form.is_valid():
            question = _question(request, course, form, len(members), now=now)
            if not question and _is_done(request, chosen, course, members, form, back=back, now=now):
                return HttpResponseRedirect(back)
        context = {
            "title": chosen.title,
            "course": course,
            "original": course,
            "action": chosen,
            "button": chosen.button.format(_people(len(members))),
            "members": members,
            "shown": standing.of_members(members[:SHOWN], now=now),
            "more": max(0, len(members) - SHOWN),
            "form": form,
            "back": back,
            "question": question,
            "rest": standing.whole_course(course, now=now) if action == "grant" else None,
            "policy": QuotaPolicy.objects.filter(course=course).first(),
            "days_left": (booking.week_of(course, now=now).ends_at - now).days,
        }
        return render(request, "admin/quotas/decide.html", context)


def _question(request: HttpRequest, course: Course, form: forms.Form, students: int, *, now: datetime) -> str:
    """What to ask before a grant that the course itself cannot pay for, unless it was answered."""
    tokens = form.cleaned_data.get("tokens")
    return beyond(course, tokens=tokens * students, now=now) if tokens and "beyond" not in request.POST else ""


def _is_done(
    request: HttpRequest,
    chosen: Action,
    course: Course,
    members: Sequence[Membership],
    form: forms.Form,
    *,
    back: str,
    now: datetime,
) -> bool:
    """False, with the reason in the form, if it goes beyond what operators allow."""
    said = dict(form.cleaned_data)
    if "tokens" in said:
        said["once"] = said["once"] or uuid4()
    try:
        count, sentence = chosen.perform(members, by=request.user, now=now, **said)
    except ValidationError as error:
        form.add_error(None, error.messages)
        return False
    if count and "tokens" in said:
        tell_granted(
            request,
            course,
            gettext("{sentence} Live within two seconds.").format(sentence=sentence),
            id=said["once"],
            back=back,
        )
    else:
        _tell(request, count, sentence)
    return True


def _tell(request: HttpRequest, count: int, said: str) -> None:
    if count:
        messages.success(request, gettext("{said} Live within two seconds.").format(said=said))
    else:
        messages.warning(
            request, gettext("Nothing was changed: this had been done already. To do it once more, begin anew.")
        )


def _chosen_members(request: HttpRequest, course: Course) -> list[Membership]:
    """The chosen members of the course. Ignores all other ids."""
    wanted = set((request.POST or request.GET).getlist("member"))
    return [one for one in course.memberships.select_related("user", "course") if str(one.pk) in wanted]
