"""What django-allauth asks us about accounts at issuers."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import record_authentication
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin
from allauth.socialaccount.providers.base.constants import AuthError
from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext

from apps.accounts.models import Issuer
from apps.accounts.sign_in.campus import answers
from apps.accounts.sign_in.campus.admission import admit, counts_second_factor
from apps.accounts.sign_in.campus.provider import PROVIDER, app_of


class SocialAccountAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Apps are rows of Issuer. People are found, and roles given, before django-allauth signs anybody in."""

    def list_apps(
        self, request: HttpRequest | None, provider: str | None = None, client_id: str | None = None
    ) -> list[SocialApp]:
        issuers = Issuer.objects.filter(is_active=True, signs_in=True)
        if provider is not None and provider != PROVIDER:
            issuers = issuers.filter(Q(name=provider) | Q(issuer=provider))
        if client_id is not None:
            issuers = issuers.filter(client_id=client_id)
        return [app_of(issuer) for issuer in issuers]

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return False

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        admitted = admit(sociallogin.issuer, sociallogin.claims, now=timezone.now())
        sociallogin.user = admitted.user
        if request.user.is_authenticated:
            get_adapter(request).logout(request)  # now: it would forget what is recorded next
        if counts_second_factor(sociallogin.issuer, sociallogin.claims):
            record_authentication(request, admitted.user, "mfa", type="issuer")
        for sentence in admitted.told:
            messages.warning(request, sentence)

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: str | None = None,
        exception: Exception | None = None,
        extra_context: Any = None,
    ) -> None:
        """One page for whatever was wrong."""
        if error == AuthError.CANCELLED:
            raise ImmediateHttpResponse(answers.back(request, gettext("The sign-in was cancelled.")))
        raise ImmediateHttpResponse(answers.failed(request, provider.app.row))

    def get_requests_session(self) -> Any:
        raise NotImplementedError("Issuers are asked through the address guard alone.")
