"""A student's keys of a course: which there are, a new one, another in place of one, and no longer."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_POST, require_safe

from apps.accounts import new_keys
from apps.accounts.models import ApiKey
from apps.common.actors import acting, actor
from apps.common.translation import lazy as _
from apps.portal.pages.access import Visit, shown, student_page
from apps.portal.pages.visitors import keep

SHOWN = 20
MOST = 10  # valid ones of a student
TOO_MANY = _("You have {most} keys already. Revoke one that you no longer use.")
GONE = _("This key was revoked already.")

Issued = tuple[ApiKey, str] | None


@require_safe
@student_page
def page(request: HttpRequest, visit: Visit) -> HttpResponse:
    rows = visit.member.api_keys.select_related("issued_by")[:SHOWN]
    keys = [(key, key.is_valid(now=visit.now), visit.visitor.may_change(key.pk)) for key in rows]
    new = new_keys.take(request) if request.method == "GET" else []
    return shown(request, visit, "keys", {"keys": keys, "new": new})


@require_POST
@student_page
def issue(request: HttpRequest, visit: Visit) -> HttpResponse:
    if visit.visitor.key is not None:
        raise Http404
    if visit.member.api_keys.valid(now=visit.now).count() >= MOST:
        messages.error(request, TOO_MANY.format(most=MOST))
        return _back(visit)
    name = request.POST.get("name", "").strip()[:100]
    return _show(request, visit, lambda: ApiKey.issue(membership=visit.member, name=name))


@require_POST
@student_page
def change(request: HttpRequest, visit: Visit, pk: int) -> HttpResponse:
    """Replace or revoke a key, as the button says that was pressed."""
    key = visit.member.api_keys.filter(pk=pk).first()
    if key is None or not visit.visitor.may_change(key.pk):
        raise Http404
    if "replace" in request.POST:
        return _show(request, visit, lambda: key.replace(now=visit.now))
    with acting(replace(actor(), id=visit.member.user_id, name=visit.member.user.get_username())):
        _revoke(request, key, now=visit.now)
    return _back(visit)


def _revoke(request: HttpRequest, key: ApiKey, *, now: datetime) -> None:
    if ApiKey.objects.filter(pk=key.pk).revoke(now=now):
        messages.success(request, gettext("{key} is refused from now on.").format(key=key.shown))
    else:
        messages.info(request, GONE)


def _show(request: HttpRequest, visit: Visit, make: Callable[[], Issued]) -> HttpResponse:
    """Issue a key as the student's own doing, and show it once on the page that follows."""
    with acting(replace(actor(), id=visit.member.user_id, name=visit.member.user.get_username())), transaction.atomic():
        issued = make()
        if issued is not None:
            new_keys.put_aside(request, [new_keys.of_row(*issued)])
    if issued is None:
        messages.info(request, GONE)
    else:
        keep(request, issued[0])
    return _back(visit)


def _back(visit: Visit) -> HttpResponse:
    return HttpResponseRedirect(reverse("portal:keys", args=[visit.course.slug]))
