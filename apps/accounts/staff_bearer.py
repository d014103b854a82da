"""Bearers of the staff API: programs that send a staff key or an access token instead of having a session."""

from typing import Any, NamedTuple

from django.conf import settings
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from apps.accounts import keys
from apps.accounts.models import StaffKey, User
from apps.accounts.scopes import Scopes
from apps.accounts.sign_in import second_factor
from apps.accounts.tokens import access_tokens, bearers
from apps.accounts.tokens.bearer import Bearer
from apps.common.errors import NotAllowed
from apps.common.staff import CHALLENGE


class Bearing(NamedTuple):
    """Whose credential it is, and what it may be used for."""

    user: User
    scopes: Scopes


class StaffBearer(BaseAuthentication):
    """A staff key or an access token in `Authorization`. Whatever is wrong with it, the answer is the same 401.

    The holder is looked up at each request, so a key never does more than its holder may do then.
    """

    def authenticate(self, request: Request) -> tuple[User, Scopes] | None:
        header = request.headers.get("authorization")
        if header is None:
            return None
        kind, _, text = header.partition(" ")
        found = bearing(text.strip()) if kind.lower() == "bearer" else None
        # A second credential beside it, and nobody could tell whose request this is.
        if found is None or request._request.user.is_authenticated or _has_key_beside(request, text.strip()):
            raise AuthenticationFailed
        return found

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


class WithinScopes(BasePermission):
    """Refuses what the scopes of a bearer leave out. A session has no scopes."""

    def has_permission(self, request: Request, view: Any) -> bool:
        scopes = request.auth
        if not isinstance(scopes, Scopes):
            return True
        if not scopes.admits_surface("staff"):
            raise NotAllowed("outside_surfaces", "This credential is not for the staff API.", fixed_by="you")
        if scopes.reads_only and request.method not in SAFE_METHODS:
            raise NotAllowed(
                "key_reads_only", "This key only reads. Issue another one to change things.", fixed_by="you"
            )
        return True


def bearing(text: str) -> Bearing | None:
    """The holder of a staff key or an access token as they are now; None for anything else."""
    return _of_token(text) if access_tokens.looks_like_one(text) else _of_key(text)


def _of_token(text: str) -> Bearing | None:
    """None also for tokens of API keys: one that lies in a notebook must not open what its holder may do here."""
    try:
        bearer = bearers.find(text, now=timezone.now())
    except access_tokens.RefusedToken:
        return None
    if bearer.api_key is not None or not _is_strong_enough(bearer):
        return None
    return Bearing(bearer.user, bearer.scopes)


def _is_strong_enough(bearer: Bearer) -> bool:
    """Whether there is a second factor behind it, if this person needs one."""
    if bearer.second_factor == "shown" or not second_factor.is_required(bearer.user):
        return True
    return bearer.second_factor == "own" and second_factor.has_one(bearer.user)


def _has_key_beside(request: Request, text: str) -> bool:
    return any(request.headers.get(name, text) != text for name in ("x-api-key", "api-key"))


def _of_key(text: str) -> Bearing | None:
    if not keys.is_well_formed(text, prefixes=(keys.STAFF,)):
        return None
    rows = StaffKey.objects.filter(revoked_at=None, user__is_active=True).select_related("user")
    row = rows.filter(digest=keys.digest(text, pepper=settings.KEY_PEPPER)).first()
    if row is None or not row.is_valid(now=(now := timezone.now())):
        return None
    row.note_use(now=now)
    return Bearing(row.user, Scopes(surfaces=frozenset({"staff"}), reads_only=row.reads_only))
