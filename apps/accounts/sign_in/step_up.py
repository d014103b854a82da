"""Asking again who is there, before something that cannot be taken back or shows much at once."""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account.adapter import get_adapter
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import urlencode
from django.utils.translation import gettext

from apps.accounts.sign_in import sessions

WITHIN = 15 * 60.0
FORM_TIME = 15 * 60.0  # to fill in a form that was opened in time

View = Callable[..., Any]


def step_up(request: HttpRequest) -> HttpResponse | None:
    """Where to send somebody who signed in, or confirmed it, too long ago. They come back to this address."""
    within = WITHIN + FORM_TIME * (request.method == "POST")
    if sessions.is_recent(request, now=time.time(), within=within):
        return None
    if request.method == "POST":
        messages.warning(
            request, gettext("Nothing was changed, because you signed in some time ago. Please do it again.")
        )
    method, *_ = get_adapter(request).get_reauthentication_methods(request.user)
    query = urlencode({"next": request.get_full_path()})
    return HttpResponseRedirect(f"{method['url']}?{query}")


def after_step_up(view: View) -> View:
    """For a view, or a method of a page, that takes a request first."""

    @wraps(view)
    def guarded(*args: Any, **options: Any) -> Any:
        request = next(given for given in args if isinstance(given, HttpRequest))
        return step_up(request) or view(*args, **options)

    return guarded


class StepUp:
    """For a page of the admin on which every change is such a thing."""

    def changeform_view(self, request: HttpRequest, *args: Any, **options: Any) -> Any:
        return step_up(request) or super().changeform_view(request, *args, **options)  # type: ignore[misc]
