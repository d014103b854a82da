"""The two addresses of an issuer: to it, and back from it."""

import logging
from typing import Any

from allauth.account.internal.decorators import login_not_required
from allauth.core.internal import ratelimit
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView
from django.http import Http404, HttpRequest, HttpResponse

from apps.accounts.audit import record
from apps.accounts.models import Issuer
from apps.accounts.sign_in.campus import answers
from apps.accounts.sign_in.campus.id_tokens import BadAnswer
from apps.accounts.sign_in.campus.linking import Refusal
from apps.accounts.sign_in.campus.provider import CampusOAuth2Adapter
from apps.accounts.sign_in.discovery import IssuerTrouble
from apps.common.encryption import CannotDecrypt

logger = logging.getLogger(__name__)


class _Back(OAuth2CallbackView):  # type: ignore[misc]
    def dispatch(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        try:
            answered: HttpResponse = super().dispatch(request, *args, **options)
            return answered
        except BadAnswer as error:
            record("sign_in.failed", subject=self.adapter.issuer, note=str(error))
            return answers.failed(request, self.adapter.issuer)
        except Refusal as refusal:
            record("sign_in.refused", subject=self.adapter.issuer, note=str(refusal))
            return answers.refused(request, str(refusal))

    def _get_state(self, request: HttpRequest, provider: Any) -> tuple[Any, Any]:
        state, answer = super()._get_state(request, provider)
        self.adapter.state = state
        named = request.GET.get("iss")  # RFC 9207: another issuer's answer is not taken for this one's
        if state is not None and named is not None and named != self.adapter.issuer.issuer:
            raise BadAnswer("The answer is another issuer's.")
        return state, answer


_limited = ratelimit.decorator(app="allauth.account", action="campus", limit_get=True)


@login_not_required  # type: ignore[untyped-decorator]
@_limited  # type: ignore[untyped-decorator]
def to_issuer(request: HttpRequest, name: str) -> HttpResponse:
    return _answered(OAuth2LoginView, request, name)


@login_not_required  # type: ignore[untyped-decorator]
@_limited  # type: ignore[untyped-decorator]
def from_issuer(request: HttpRequest, name: str) -> HttpResponse:
    return _answered(_Back, request, name)


def _answered(view: Any, request: HttpRequest, name: str) -> HttpResponse:
    issuer = Issuer.objects.filter(name=name, is_active=True, signs_in=True).first()
    if issuer is None:
        raise Http404
    try:
        answered: HttpResponse = view.adapter_view(CampusOAuth2Adapter(request, name))(request)
        return answered
    except (IssuerTrouble, CannotDecrypt) as trouble:
        logger.warning("Signing in through %s: %s", name, trouble)
        return answers.away(request, issuer)
