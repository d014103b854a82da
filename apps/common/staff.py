"""Access to the staff API: sessions, permission, JSON only, and no unknown parameters."""

from collections.abc import Collection, Iterable
from typing import Any

from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import PermissionDenied
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from apps.common.errors import InvalidRequest, NotAllowed

# Makes a caller who is not signed in get 401 instead of 403, and names both ways to sign in.
CHALLENGE = 'Session realm="Stoa staff", Bearer realm="Stoa staff"'


class StaffSession(SessionAuthentication):
    """The session of the admin. Changes need its CSRF token."""

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE

    def enforce_csrf(self, request: Any) -> None:
        try:
            super().enforce_csrf(request)
        except PermissionDenied as error:
            raise NotAllowed(
                "csrf_failed", f"{error.detail} Send the CSRF cookie as X-CSRFToken.", fixed_by="you"
            ) from error


class IsStaff(BasePermission):
    """Lets all staff in. Each model's `for_staff` decides which rows they see."""

    message = "This API is for staff. Ask the operator if you should be one of them."
    code = "staff_only"

    def has_permission(self, request: Request, view: Any) -> bool:
        return bool(request.user.is_active and request.user.is_staff)


class AlwaysJSON(BaseContentNegotiation):
    """Answers JSON whatever the client accepts, so that a browser shows data instead of an error."""

    def select_parser(self, request: Request, parsers: Iterable[Any]) -> Any:
        return next((parser for parser in parsers if parser.media_type == request.content_type), None)

    def select_renderer(self, request: Request, renderers: Iterable[Any], format_suffix: str | None = None) -> Any:
        first = next(iter(renderers))
        return first, first.media_type


def refuse_unknown(request: Request, *, known: Collection[str]) -> None:
    """Raise InvalidRequest unless every parameter of the URL is known and has exactly one value.

    Ignoring a misspelt filter would answer another question than the one that was asked.
    """
    for name, values in request.query_params.lists():
        if name not in known:
            there_are = f"It knows {', '.join(known)}." if known else "It takes none."
            raise InvalidRequest(
                "unknown_parameter",
                f"There is no parameter '{name[:60]}' at this address. {there_are}",
                param=name[:60],
                details={"known": list(known)},
            )
        if len(values) != 1 or not values[0]:
            raise invalid_parameter(name, "Give it one value, or leave it out.")


def invalid_parameter(name: str, message: str) -> InvalidRequest:
    return InvalidRequest("invalid_parameter", f"{name}: {message}", param=name)
