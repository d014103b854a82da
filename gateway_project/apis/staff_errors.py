"""Renders every error of the staff API in the format of `apps/common/errors.py`."""

import logging
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.views import defaults
from rest_framework import exceptions
from rest_framework.response import Response

from apps.common.errors import (
    GatewayError,
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    NotAllowed,
    NotFound,
    NotSignedIn,
    Unavailable,
)
from apps.common.outages import Trouble, database_outage, trouble

logger = logging.getLogger(__name__)
PREFIX = "/api/staff"


def answer(error: Exception, context: dict[str, Any]) -> Response:
    """REST framework's exception handler."""
    request = context["request"]
    refusal = error if isinstance(error, GatewayError) else _translated(error)
    if trouble(error) is Trouble.AWAY:
        database_outage.began(error)
    if isinstance(refusal, InternalError):
        logger.error("Request %s failed", request.request_id, exc_info=error)
    headers = {"Cache-Control": "no-store", **refusal.headers}
    return Response(refusal.body(request_id=request.request_id), status=refusal.status, headers=headers)


def _translated(error: Exception) -> GatewayError:
    match error:
        case exceptions.NotAuthenticated() | exceptions.AuthenticationFailed():
            return NotSignedIn(scheme=getattr(error, "auth_header", None) or "")
        case exceptions.PermissionDenied():
            return NotAllowed(str(error.get_codes()), str(error.detail), fixed_by="operator")
        case PermissionDenied():
            return NotAllowed("permission_denied", "You may not do this.", fixed_by="operator")
        case exceptions.NotFound() | Http404():
            # The same answer for rows of others as for missing ones, so that nobody can tell them apart.
            return NotFound(
                "not_found", "There is nothing at this address, or it belongs to a course that is not yours."
            )
        case exceptions.MethodNotAllowed():
            return MethodNotAllowed("method_not_allowed", "This address can only be read.")
        case exceptions.ValidationError():
            return _mistakes(error)
        case exceptions.APIException() if error.status_code < 500:
            return InvalidRequest(str(error.get_codes()), str(error.detail))
    match trouble(error):
        case Trouble.AWAY:
            return Unavailable("database_unavailable", "The database is unavailable at the moment. Try again.")
        case Trouble.BUSY:
            return Unavailable("database_busy", "The database is busy at the moment. Try again.")
    return InternalError()


def _mistakes(error: exceptions.ValidationError) -> InvalidRequest:
    """Every invalid field with its messages. The first of them is the message of the error."""
    detail: Any = error.detail if isinstance(error.detail, dict) else {"": error.detail}
    fields = {str(name): [str(sentence) for sentence in sentences] for name, sentences in detail.items()}
    name, sentences = next(iter(fields.items()))
    return InvalidRequest("invalid_parameter", f"{name}: {sentences[0]}", param=name, details={"fields": fields})


# Django calls these two for 400 and 500 errors outside of the views.


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not request.path.startswith(PREFIX):
        return defaults.bad_request(request, exception)
    return _plain(request, InvalidRequest("bad_request", "This request cannot be understood."))


def server_error(request: HttpRequest) -> HttpResponse:
    return _plain(request, InternalError()) if request.path.startswith(PREFIX) else defaults.server_error(request)


def _plain(request: Any, refusal: GatewayError) -> HttpResponse:
    body = refusal.json(request_id=request.request_id)
    return HttpResponse(body, status=refusal.status, content_type="application/json")
