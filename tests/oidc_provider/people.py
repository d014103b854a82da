"""What the provider says about its people, and the keys with which it signs that."""

from typing import Any

from allauth.idp.oidc.adapter import DefaultOIDCAdapter
from allauth.idp.oidc.models import PrivateKey

from tests.oidc_provider.state import STATE


class CampusAdapter(DefaultOIDCAdapter):
    scope_display = {**DefaultOIDCAdapter.scope_display, "groups": "View your groups"}

    def get_issuer(self) -> str:
        return f"http://{self.request.get_host()}"

    def get_user_sub(self, client: Any, user: Any) -> str:
        return f"sub-{user.username}"

    def get_claims(self, purpose: str, user: Any, client: Any, scopes: Any, **options: Any) -> dict[str, Any]:
        claims = {"sub": self.get_user_sub(client, user), "preferred_username": user.username}
        told = STATE.people.get(user.username, {})
        where = STATE.quirks.get("claims_in", ["id_token", "userinfo"])
        return {**claims, **told} if purpose in where else claims

    def list_private_keys(self, **options: Any) -> list[PrivateKey]:
        return [PrivateKey(pem=pem) for pem in STATE.pems]

    def get_signing_key(self) -> PrivateKey:
        return PrivateKey(pem=STATE.pems[-1])
