"""Bearers: the holders of good access tokens."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from apps.accounts.models import ApiKey, Membership, User
from apps.accounts.scopes import Scopes


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """Who holds a token, and what it allows. `api_key` is the key that it was made from.

    `second_factor` says what stands behind it: the one that the person has here, if they have any; one that the issuer
    asked for; or none.
    """

    user: User
    membership: Membership | None
    api_key: ApiKey | None = None
    scopes: Scopes
    expires_at: datetime
    issuer: str
    jti: str
    second_factor: Literal["own", "shown", "missing"]
