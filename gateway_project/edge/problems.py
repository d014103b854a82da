"""Refusals of the service gateway, as problem details (RFC 9457)."""

from http import HTTPStatus

import orjson
from django.http import HttpResponse

from apps.common.errors import GatewayError, Overloaded
from gateway_project.edge.handler import RetryLater


def problem(error: GatewayError, request_id: str) -> HttpResponse:
    """`title` names the status, as `about:blank` asks for; `detail` is the sentence, and `code` tells programs."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": error.message,
        "code": error.code,
        "request_id": request_id,
        "fixed_by": error.who,
        **error.details,
    }
    kind = RetryLater if isinstance(error, Overloaded) else HttpResponse
    return kind(orjson.dumps(body), status=error.status, content_type="application/problem+json", headers=error.headers)
