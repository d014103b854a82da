"""Callers: whoever proved who they are, before any token is made for them."""

from dataclasses import dataclass

from apps.accounts.models import ApiKey, Membership, User
from apps.accounts.scopes import Scopes


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A person, as a member of a course or as nobody's, with the key that they showed if it was one."""

    user: User
    membership: Membership | None = None
    api_key: ApiKey | None = None
    scopes: Scopes
