"""django-allauth's OpenID Connect provider over our table of issuers, with a nonce, and behind the address guard."""

import secrets
from typing import Any
from urllib.parse import urlencode, urlsplit

from allauth.account.utils import get_next_redirect_url
from allauth.socialaccount.models import SocialApp, SocialLogin, SocialToken
from allauth.socialaccount.providers.base.constants import AuthProcess
from allauth.socialaccount.providers.oauth2.client import OAuth2Client
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from apps.accounts.models import Issuer
from apps.accounts.sign_in import discovery
from apps.accounts.sign_in.campus.claims import read
from apps.accounts.sign_in.campus.id_tokens import BadAnswer, joined, verified
from apps.accounts.sign_in.discovery import IssuerWrong, Published, Source
from apps.accounts.sign_in.key_sets import KEY_SETS

PROVIDER = "openid_connect"  # django-allauth's name for all of them


def app_of(issuer: Issuer) -> SocialApp:
    """An issuer as django-allauth knows apps. It is not stored, and its secret is decrypted only where it is sent."""
    app = SocialApp(
        provider=PROVIDER,
        provider_id=issuer.name,
        name=issuer.title,
        client_id=issuer.client_id,
        settings={"oauth_pkce_enabled": True, "scope": issuer.scopes.split()},
    )
    app.row = issuer
    return app


def source_of(issuer: Issuer) -> Source:
    return Source(issuer=issuer.issuer, allow_private=issuer.allow_private_network)


class CampusClient(OAuth2Client):  # type: ignore[misc]
    """An address that has parameters of its own keeps them."""

    def get_redirect_url(self, authorization_url: str, scope: Any, extra_params: Any) -> str:
        parameters = {
            "client_id": self.consumer_key,
            "redirect_uri": self.callback_url,
            "response_type": "code",
            "scope": " ".join(scope),
            "state": self.state,
            **extra_params,
        }
        return f"{authorization_url}{'&' if urlsplit(authorization_url).query else '?'}{urlencode(parameters)}"


class CampusOAuth2Adapter(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]
    """Talks to the issuer. Every method may raise IssuerTrouble."""

    client_class = CampusClient
    state: dict[str, Any]  # what was kept when the person was sent to the issuer

    def get_provider(self) -> "CampusProvider":
        if not hasattr(self, "_provider"):
            self._provider: CampusProvider = super().get_provider()
        return self._provider

    @property
    def issuer(self) -> Issuer:
        row: Issuer = self.get_provider().app.row
        return row

    @property
    def published(self) -> Published:
        if not hasattr(self, "_published"):
            self._published = discovery.run(KEY_SETS.published(source_of(self.issuer)))
        return self._published

    @property
    def openid_config(self) -> dict[str, Any]:
        names = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint")
        return {name: getattr(self.published, name) for name in names}

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:
        return str(request.build_absolute_uri(reverse("openid_connect_callback", args=[app.provider_id])))

    def get_access_token_data(
        self, request: HttpRequest, app: SocialApp, client: OAuth2Client, pkce_code_verifier: str | None = None
    ) -> dict[str, Any]:
        data = {
            "grant_type": "authorization_code",
            "code": request.GET["code"],
            "redirect_uri": client.callback_url,
            "client_id": app.client_id,
            "code_verifier": pkce_code_verifier,
        }
        secret, options = self.issuer.secret(), {}
        if secret and self.published.basic_auth:
            options["auth"] = (app.client_id, secret)
        elif secret:
            data["client_secret"] = secret
        try:
            return self._ask(self.published.token_endpoint, data=data, **options)
        except IssuerWrong as error:
            raise BadAnswer(f"The code was not taken. {error}") from error

    def parse_token(self, data: dict[str, Any]) -> SocialToken:
        if not isinstance(data.get("access_token"), str):
            raise BadAnswer("The issuer answered without an access token.")
        return SocialToken(token=data["access_token"])

    def complete_login(self, request: HttpRequest, app: SocialApp, token: SocialToken, **options: Any) -> SocialLogin:
        given = options["response"].get("id_token")
        claims = discovery.run(
            verified(given, source=source_of(self.issuer), client_id=app.client_id, nonce=self.state["nonce"])
        )
        if self.published.userinfo_endpoint:
            bearer = {"Authorization": f"Bearer {token.token}"}
            claims = joined(claims, self._ask(self.published.userinfo_endpoint, headers=bearer))
        login = self.get_provider().sociallogin_from_response(request, claims)
        login.issuer = self.issuer
        login.claims = read(claims, groups_claim=self.issuer.groups_claim, id_claim=self.issuer.id_claim)
        return login

    def _ask(self, url: str, **request: Any) -> dict[str, Any]:
        return discovery.run(discovery.fetch_json(url, source=source_of(self.issuer), **request))


class CampusProvider(OpenIDConnectProvider):  # type: ignore[misc]
    """Keeps nothing of what an issuer says but the subject, and takes no parameters from the address bar."""

    oauth2_adapter_class = CampusOAuth2Adapter

    @property
    def sub_id(self) -> str:
        """Links belong to the issuer's URL: whoever answers at another one cannot sign in as the same people."""
        return str(self.app.row.issuer)

    def get_login_url(self, request: HttpRequest, **parameters: Any) -> str:
        address = reverse("openid_connect_login", args=[self.app.provider_id])
        wanted = parameters.get("next")
        return f"{address}?{urlencode({'next': wanted})}" if wanted else address

    def get_redirect_from_request_kwargs(self, request: HttpRequest) -> dict[str, Any]:
        return {"process": AuthProcess.LOGIN, "next_url": get_next_redirect_url(request)}

    def redirect(self, request: HttpRequest, process: str, next_url: str | None = None, **options: Any) -> HttpResponse:
        nonce = secrets.token_urlsafe(32)
        sent: HttpResponse = super().redirect(
            request, process, next_url, auth_params={"nonce": nonce}, scope=self.get_scope(), nonce=nonce
        )
        return sent

    def extract_uid(self, data: dict[str, Any]) -> str:
        return str(data["sub"])

    def extract_extra_data(self, data: dict[str, Any]) -> dict[str, Any]:
        return {}

    def extract_common_fields(self, data: dict[str, Any]) -> dict[str, Any]:
        return {}

    def extract_email_addresses(self, data: dict[str, Any]) -> list[Any]:
        return []
