"""What django-allauth asks us about accounts."""

import time
from typing import Any

from allauth.account import app_settings as ACCOUNT
from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from allauth.core.internal import ratelimit
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext

from apps.accounts.audit import record, security_event
from apps.accounts.models import User
from apps.accounts.sign_in import sessions, throttle
from apps.common.errors import Unavailable
from apps.common.translation import lazy as _


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Operators make accounts; nobody makes their own. Attempts are counted as `throttle` says."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "username_password_mismatch": _("The username or the password is wrong."),
        "incorrect_password": _("The password is wrong."),
        "enter_current_password": _("The current password is wrong."),
        "too_many_login_attempts": _("There were too many failed attempts. Wait five minutes, then try again."),
        "busy": _("Too many people are signing in right now. Try again shortly."),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        """The address that `TRUSTED_PROXIES` lets us believe. A Unix socket has none."""
        return str(request.META.get("REMOTE_ADDR") or "127.0.0.1")

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        """Staff work in the admin; everybody else has the pages of students."""
        return str(super().get_login_redirect_url(request)) if request.user.is_staff else reverse("home")

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        self._login_failed_rl_usage = throttle.attempt(request, credentials.get("username", ""), guessed="password")
        if self._login_failed_rl_usage is None:
            self._report_throttled(request)
            raise self.validation_error("too_many_login_attempts")

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        try:
            user: User | None = super().authenticate(request, **credentials)
        except Unavailable as error:
            raise self.validation_error("busy") from error
        return user

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """The name is recorded only if it is one: some people type their password into that field."""
        user = User.objects.filter(username__iexact=credentials.get("username", "")).first()
        record("sign_in.failed", subject=user, note="" if user else "There is no such person.")

    def _report_throttled(self, request: HttpRequest) -> None:
        """At most once in five minutes for each address, so that a flood does not fill the audit log."""
        if cache.add(f"stoa:throttled:{ratelimit.get_ip(request)}", 1, timeout=300):
            security_event("sign_in.throttled", note="Too many failed sign-ins.")

    def is_reauthentication_required(self, *, app: str, **options: Any) -> bool:
        """A sign-in counts for as long as a confirmation does."""
        recent = sessions.is_recent(context.request, now=time.time(), within=ACCOUNT.REAUTHENTICATION_TIMEOUT)
        return not recent and bool(super().is_reauthentication_required(app=app, **options))

    def get_reauthentication_methods(self, user: User) -> list[dict[str, Any]]:
        """A new sign-in, for people without a password or a second factor here: those who come through the campus."""
        again = {"id": "sign_in", "description": gettext("Sign in again"), "url": reverse("account_logout")}
        return super().get_reauthentication_methods(user) or [again]

    def post_login(self, request: HttpRequest, user: User, **options: Any) -> HttpResponse:
        response: HttpResponse = super().post_login(request, user, **options)
        throttle.remember_browser(request, response, user.get_username())
        return response

    def respond_user_inactive(self, request: HttpRequest, user: User) -> HttpResponse:
        return HttpResponseRedirect(reverse("account_login"))
