"""The data plane's handler: from the socket to a view and back, with nothing in between that the path does not need.

Django's own handler reads and spools the whole body, of anybody, before any of our code runs, and costs several hops
between threads for each request. This one checks the key from the headers first, then reads a bounded body as bytes,
awaits the view directly, and notices a client that leaves. It uses Django's request class, URL resolver and responses;
no middleware, no signals, no thread.
"""

import io
import logging
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.urls import Resolver404, ResolverMatch, get_resolver

from apps.common import tracing
from apps.common.errors import GatewayError, InternalError, MethodNotAllowed, NotFound, Overloaded, Unavailable
from apps.common.ids import new_id
from apps.dataplane.plane import DataPlane
from gateway_project.edge.cors import Cors
from gateway_project.edge.messages import (
    ClientLeft,
    Scope,
    announces_long_body,
    presented_key,
    read_body,
    send_response,
    unless_client_leaves,
)
from gateway_project.observability import metrics

logger = logging.getLogger(__name__)

REST_SECONDS = 0.9  # less than any Retry-After


class DataRequest(ASGIRequest):
    """A request of the student API; see `apps.dataplane.requests.StudentRequest` for what it carries."""


class _Overloaded(HttpResponse):
    """The answer to a client that is told to come back."""


class DataPlaneHandler:
    """An ASGI application for everything under /v1."""

    def __init__(self) -> None:
        self._body_limit: int = settings.MAX_REQUEST_SIZE
        self._cors = Cors(settings.CORS_ALLOWED_ORIGINS)
        # Whoever asks again at once, although told to wait, is not even read. A proxy asks for many, and never rests.
        self._rest = 0.0 if settings.TRUSTED_PROXIES else REST_SECONDS

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        started, request_id = time.perf_counter(), new_id()
        route, status = "unknown", 499
        response: HttpResponseBase
        more: dict[str, str] = {}
        try:
            preflight = self._cors.preflight(scope["method"], scope["headers"])
            if preflight is not None:
                route, response = "preflight", HttpResponse(headers=preflight)
            else:
                request = _request(scope, request_id)
                response = await self._respond(request, scope, receive)
                route = _route_of(request)
                more = self._cors.headers(scope["headers"])
            status = response.status_code
            rest = self._rest if isinstance(response, _Overloaded) else 0.0
            await send_response(response, request_id, receive, send, more=more, rest=rest)
        except ClientLeft:
            logger.debug("The client of %s left", request_id)
        finally:
            metrics.observe(route=route, method=scope["method"], status=status, seconds=time.perf_counter() - started)

    async def _respond(self, request: Any, scope: Scope, receive: Any) -> HttpResponseBase:
        try:
            request.state = state = scope.get("state", {})
            plane: DataPlane | None = state.get("plane")
            if plane is None:
                raise Unavailable("starting", "The gateway is starting. Try again in a moment.")
            request.plane, key = plane, presented_key(scope)
            plane.admission.check(lambda: plane.principals.knows(key))
            request.principal = await plane.principals.authenticate(key, now=datetime.now(UTC))
            request.resolver_match = match = _resolve(scope["path"])
            request.raw = request._body = await read_body(scope, receive, limit=self._body_limit)
            view = match.func(request, *match.args, **match.kwargs)
            response: HttpResponseBase = await unless_client_leaves(view, receive)
            if response.status_code == 405:
                raise _wrong_method(scope, response)
            return response
        except GatewayError as error:
            if not hasattr(request, "raw") and announces_long_body(scope):
                error.headers["connection"] = "close"  # rather than receive what nobody wants
            return _error(error, request.request_id)
        except ClientLeft:
            raise
        except Exception:
            logger.exception("Request %s failed", request.request_id)
            return _error(InternalError(), request.request_id)


def _request(scope: Scope, request_id: str) -> Any:
    try:
        request: Any = DataRequest(scope, io.BytesIO())
    except UnicodeDecodeError:
        # Nothing of ours reads the query, so one that is no UTF-8 is as good as none.
        request = DataRequest({**scope, "query_string": b""}, io.BytesIO())
    request.request_id = request_id
    request.trace = tracing.continued(scope["headers"])
    tracing.current.set(request.trace)
    return request


@lru_cache(maxsize=512)
def _resolve(path: str) -> ResolverMatch:
    try:
        return get_resolver().resolve(path)
    except Resolver404:
        raise NotFound(
            "unknown_path", f"There is nothing at {path[:200]}. Try /v1/chat/completions, /v1/models or /v1/usage."
        ) from None


def _wrong_method(scope: Scope, response: HttpResponseBase) -> MethodNotAllowed:
    allowed = response.get("allow") or response.get("Allow") or ""
    return MethodNotAllowed(
        "method_not_allowed",
        f"{scope['method']} is not possible at {scope['path'][:200]}. Use {allowed}.",
        headers={"allow": allowed},
    )


def _error(error: GatewayError, request_id: str) -> HttpResponse:
    kind = _Overloaded if isinstance(error, Overloaded) else HttpResponse
    return kind(
        error.json(request_id=request_id),
        status=error.status,
        content_type="application/json",
        headers=error.headers,
    )


def _route_of(request: Any) -> str:
    match = request.resolver_match
    return match.route if match is not None else "unknown"
