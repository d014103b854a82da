"""Deciding a request for more on the page of the course, without leaving it."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from apps.accounts.course_pages import course_page
from apps.accounts.models import Course
from apps.accounts.permissions import Verb
from apps.accounts.scoping import may
from apps.quotas.admin.answering import decline_one, grant_one
from apps.quotas.admin.grants import way_back
from apps.quotas.admin.requests import PAGE
from apps.quotas.models import AllowanceRequest
from apps.quotas.models.requests import MOST_TOKENS


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
    back = way_back(request, course) if "next" in request.POST else reverse("admin:course_today", args=[course.slug])
    if request.POST.get("decision") != "grant":
        decline_one(request, row, answer=request.POST.get("answer", "").strip()[: AllowanceRequest.LONGEST])
        return HttpResponseRedirect(back)
    text = request.POST.get("tokens", "").strip()
    if not (text.isascii() and text.isdigit() and 0 < int(text[:15]) <= MOST_TOKENS):
        messages.error(request, gettext("Say how many tokens to grant. Nothing was changed."))
    elif question := grant_one(request, row, tokens=int(text), back=back):
        messages.warning(request, question)
        return HttpResponseRedirect(f"{reverse(PAGE, args=[row.pk])}?tokens={int(text)}")
    return HttpResponseRedirect(back)
