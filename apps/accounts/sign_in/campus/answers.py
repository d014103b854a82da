"""The pages of a sign-in that did not work. Whatever was wrong with it, the page is the same."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from apps.accounts.models import Issuer
from apps.common.translation import lazy as _

AWAY = _("The sign-in of {} does not answer properly at the moment. Whoever is signed in stays signed in.")
FAILED = _("Signing in through {} did not work. Try again. If it goes on, tell an operator, with the time.")


def failed(request: HttpRequest, issuer: Issuer) -> HttpResponse:
    return _page(request, FAILED.format(issuer), status=401)


def refused(request: HttpRequest, why: str) -> HttpResponse:
    return _page(request, why, status=403)


def away(request: HttpRequest, issuer: Issuer) -> HttpResponse:
    return back(request, AWAY.format(issuer), messages.ERROR)


def back(request: HttpRequest, sentence: str, level: int = messages.INFO) -> HttpResponse:
    """The sign-in page, where a password still works, with a sentence."""
    messages.add_message(request, level, sentence)
    return HttpResponseRedirect(reverse("account_login"))


def _page(request: HttpRequest, sentence: str, *, status: int) -> HttpResponse:
    page = render(request, "campus/refused.html", {"sentence": sentence}, status=status)
    page.headers["cache-control"] = "no-store"
    return page
