"""The first page: to enter with a key or to sign in, or the courses of whoever has."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.sign_in import throttle
from apps.common.translation import lazy as _
from apps.portal.pages.visitors import enter, leave, visitor

REFUSED = _("This key opens nothing here. Check that you copied all of it, or ask your instructor for another.")
TOO_MANY = _("Too many keys were tried from here. Wait a few minutes.")


@require_http_methods(["GET", "HEAD", "POST"])
def home(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        return _enter(request)
    found = visitor(request, now=timezone.now())
    courses = [member.course for member in found.members] if found else []
    if len(courses) == 1 and not getattr(request.user, "is_staff", False):
        return HttpResponseRedirect(reverse("portal:week", args=[courses[0].slug]))
    response = TemplateResponse(request, "portal/home.html", {"courses": courses, "next": _next(request, request.GET)})
    add_never_cache_headers(response)
    return response


@require_POST
def out(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return HttpResponseRedirect(reverse("account_logout"))
    leave(request)
    return HttpResponseRedirect(reverse("home"))


def _enter(request: HttpRequest) -> HttpResponse:
    guess = throttle.attempt_key(request)
    if guess is None:
        return _again(request, TOO_MANY, status=429)
    member = enter(request, request.POST.get("key", ""), now=timezone.now())
    if member is None:
        return _again(request, REFUSED, status=403)
    guess.rollback()
    return HttpResponseRedirect(_next(request, request.POST) or reverse("portal:week", args=[member.course.slug]))


def _again(request: HttpRequest, why: str, *, status: int) -> HttpResponse:
    messages.error(request, why)
    context = {"courses": [], "next": _next(request, request.POST)}
    return TemplateResponse(request, "portal/home.html", context, status=status)


def _next(request: HttpRequest, asked: Any) -> str:
    """Where somebody wanted to go; empty unless that is a page of a course here."""
    wanted = str(asked.get("next", ""))
    is_ours = wanted.startswith("/c/") and url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
    return wanted if is_ours else ""
