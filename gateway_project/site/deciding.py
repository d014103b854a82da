"""Deciding a request for more on the page of the course, without leaving it."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from apps.accounts.course_pages import course_page
from apps.accounts.models import Course
from apps.accounts.permissions import Verb
from apps.accounts.scoping import may
from apps.common.display import number
from apps.quotas import requests
from apps.quotas.admin.access import user_of
from apps.quotas.models import AllowanceRequest
from apps.quotas.models.requests import MOST_TOKENS

DECIDED_BEFORE = "Somebody else has decided this request in the meantime; nothing was changed."
NEEDS_SENTENCE = "Write the student a sentence when you decline. Nothing was changed."


@require_POST
@course_page
def decide(request: HttpRequest, course: Course, pk: int) -> HttpResponse:
    """Grant or decline a request, and return to the page."""
    rows = AllowanceRequest.objects.for_staff(request.user).filter(membership__course=course)
    row = rows.select_related("membership__user", "membership__course").filter(pk=pk).first()
    if row is None:
        raise Http404
    if not may(request, Verb.ACT, "AllowanceRequest", course.pk):
        raise PermissionDenied
    if request.POST.get("decision") == "grant":
        _grant(request, row)
    else:
        _decline(request, row)
    return HttpResponseRedirect(reverse("admin:course_today", args=[course.slug]))


def _grant(request: HttpRequest, row: AllowanceRequest) -> None:
    text = request.POST.get("tokens", "").strip()
    if not (text.isascii() and text.isdigit() and 0 < int(text[:15]) <= MOST_TOKENS):
        messages.error(request, "Say how many tokens to grant. Nothing was changed.")
        return
    try:
        done = requests.grant(row, by=user_of(request), now=timezone.now(), tokens=int(text))
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return
    if done:
        messages.success(request, f"{number(int(text))} tokens granted to {row.membership.person}.")
    else:
        messages.warning(request, DECIDED_BEFORE)


def _decline(request: HttpRequest, row: AllowanceRequest) -> None:
    sentence = request.POST.get("answer", "").strip()[: AllowanceRequest.LONGEST]
    if not sentence:
        messages.error(request, NEEDS_SENTENCE)
        return
    if requests.decline(row, by=user_of(request), now=timezone.now(), answer=sentence):
        messages.success(request, f"Declined. {row.membership.person} reads your sentence.")
    else:
        messages.warning(request, DECIDED_BEFORE)
