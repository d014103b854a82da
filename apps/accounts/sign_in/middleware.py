"""What holds for every page of somebody who is signed in."""

import time
from typing import Any

from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django.utils.deprecation import MiddlewareMixin
from django.utils.http import urlencode

from apps.accounts.sign_in import second_factor, sessions
from apps.common.errors import NotAllowed
from apps.common.translation import lazy as _

OPEN = ("/sign-in/", "/static/", "/health/", "/.well-known/")
OPEN_PAGES = ("/", "/admin/logout/", "/leave/", "/metrics", "/favicon.ico")
PAGES = ("/admin/", "/c/")  # the rest is for programs, which follow no redirect
ENROL = _("Your account needs a second factor. Set up an authenticator app or a passkey; then go on.")


class SessionMiddleware(MiddlewareMixin):
    """Ends sessions that are over, and leads staff to the second factor that they need before they get any further.

    Everything is closed to them until then except what is listed here, so a new page cannot be forgotten.
    """

    def process_view(self, request: HttpRequest, view: Any, args: Any, options: Any) -> HttpResponse | None:
        if not request.user.is_authenticated:
            return None
        now = time.time()
        if sessions.is_over(request.session, now=now):
            logout(request)
            return None
        sessions.keep(request.session, now=now)
        if request.path.startswith(OPEN) or request.path in OPEN_PAGES:
            return None
        if not second_factor.is_required(request.user) or second_factor.is_proven(request):
            return None
        return _lead(request)

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """No browser keeps a page that shows the secret of an app or the sessions of somebody."""
        if request.path.startswith("/sign-in/"):
            add_never_cache_headers(response)
        return response


def _lead(request: HttpRequest) -> HttpResponse:
    """To prove a second factor, or to set one up."""
    if not request.path.startswith(PAGES):
        error = NotAllowed("second_factor_required", "Sign in to the admin with a second factor first.", fixed_by="you")
        body = error.body(request_id=getattr(request, "request_id", ""))
        return JsonResponse(body, status=error.status, headers={"cache-control": "no-store"})
    if second_factor.has_one(request.user):  # type: ignore[arg-type]  # not anonymous
        return HttpResponseRedirect(f"{reverse('mfa_reauthenticate')}?{urlencode({'next': request.get_full_path()})}")
    messages.warning(request, ENROL)
    return HttpResponseRedirect(reverse("mfa_index"))
