"""The data plane's handler: from the ASGI scope to a view and back, without middleware, signals or threads.

Django's own handler reads and spools the whole body of any request before our code runs, and hops between threads
several times. This one first checks the key from the headers, then reads a bounded body, awaits the view, and notices
when the client disconnects. It uses Django's request class, URL resolver and responses.
"""

import io
import logging
import time
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from typing import Any

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.urls import Resolver404, ResolverMatch, get_resolver

from apps.accounts.scopes import ALL
from apps.common import spans, tracing
from apps.common.errors import (
    GatewayError,
    InternalError,
    InvalidKey,
    MethodNotAllowed,
    NotFound,
    Overloaded,
    Unavailable,
)
from apps.common.ids import new_id
from apps.common.slowness import slowness
from apps.dataplane.answers import ClientLeft
from apps.dataplane.plane import DataPlane
from apps.dataplane.requests import StudentRequest
from apps.dataplane.scope_checks import refuse_outside
from apps.quotas.rate_limits.addresses import AddressLimit
from gateway_project.edge import base_url
from gateway_project.edge.body_budget import BodyBudget, BodyShare
from gateway_project.edge.cors import Cors
from gateway_project.edge.messages import (
    Scope,
    announces_long_body,
    presented_key,
    presents_key,
    read_body,
    send_response,
    unless_client_leaves,
)
from gateway_project.edge.unknown import TooManyUnknown, host_of
from gateway_project.observability import metrics

logger = logging.getLogger(__name__)

NOWHERE = ("",)  # the address of a client on a local socket
REST_SECONDS = 0.9  # shorter than any Retry-After


class DataRequest(StudentRequest):
    """A request of the student API.

    Django's ASGI request copies every header into META under another name, while views here read one or two.
    """

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.path = self.path_info = scope["path"]
        method = scope["method"].upper()
        self.method = "GET" if method == "HEAD" else method  # the server leaves the body out
        self.resolver_match = None

    @cached_property
    def META(self) -> dict[str, Any]:  # type: ignore[override]
        return ASGIRequest({**self.scope, "query_string": b""}, io.BytesIO()).META

    @cached_property
    def GET(self) -> QueryDict:  # type: ignore[override]
        return QueryDict(self.scope.get("query_string", b""))

    def header(self, name: bytes) -> str | None:
        found: bytes | None = None
        for other, value in self.scope["headers"]:
            if other == name:
                found = value if found is None else found + b"," + value
        return None if found is None else found.decode("latin-1")


class RetryLater(HttpResponse):
    """The response to a client that is told to retry later."""


class DataPlaneHandler:
    """An ASGI application for everything under /v1, and for what was meant to be there."""

    def __init__(self) -> None:
        self._body_limit: int = settings.MAX_MEDIA_REQUEST_SIZE
        self._bodies = BodyBudget()
        self._unknown = AddressLimit(settings.UNKNOWN_REQUESTS_PER_MINUTE, processes=settings.WEB_CONCURRENCY)
        self._cors = Cors(settings.CORS_ALLOWED_ORIGINS)
        # A client that retries at once, despite its Retry-After, waits unread. A proxy never does: it carries many
        # clients.
        self._rest = 0.0 if settings.TRUSTED_PROXIES else REST_SECONDS

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        trace = tracing.continued(scope["headers"])
        with spans.request("request", trace=trace.id, remote=trace.parent, may_sample=trace.may_be_sampled) as span:
            await self._answer(scope, receive, send, trace, span)

    async def _answer(self, scope: Scope, receive: Any, send: Any, trace: tracing.Trace, span: spans.TraceSpan) -> None:
        started, request_id = time.perf_counter(), new_id()
        route, status = "unknown", 499
        response: HttpResponseBase
        more: dict[str, str] = {}
        try:
            preflight = self._preflight(scope)
            if preflight is not None:
                route, response = "preflight", HttpResponse(headers=preflight)
            else:
                request = _request(scope, request_id, trace)
                response = await self._respond(request, scope, receive)
                route = _route_of(request)
                slowness.call(route, time.perf_counter() - started)
                more = self._cors_of(request).headers(scope["headers"])
            status = response.status_code
            rest = self._rest if isinstance(response, RetryLater) else 0.0
            await send_response(response, request_id, receive, send, more=more, rest=rest)
        except ClientLeft:
            logger.debug("The client of %s left", request_id)
        finally:
            metrics.observe(route=route, method=scope["method"], status=status, seconds=time.perf_counter() - started)
            if span is not spans.NOTHING:
                _describe(span, route=route, method=scope["method"], status=status, request_id=request_id)

    def _preflight(self, scope: Scope) -> dict[str, str] | None:
        return self._cors.preflight(scope["method"], scope["headers"])

    def _cors_of(self, request: Any) -> Cors:
        return self._cors

    async def _respond(self, request: Any, scope: Scope, receive: Any) -> HttpResponseBase:
        share: BodyShare | None = None
        try:
            request.state = state = scope.get("state", {})
            plane: DataPlane | None = state.get("plane")
            if plane is None:
                raise Unavailable("starting", "The gateway is starting. Try again in a moment.")
            request.plane, key = plane, presented_key(scope)
            plane.admission.check(lambda: plane.principals.knows(key))
            request.admitted = plane.principals.revision.current
            request.principal = await plane.principals.authenticate(key, now=datetime.now(UTC))
            plane.sightings.keys.add((request.principal.key_id, (scope.get("client") or NOWHERE)[0]))
            request.resolver_match = match = _resolved(scope)
            if (scopes := request.principal.scopes) is not ALL:
                refuse_outside(scopes, route=match.route, method=request.method)
            coding = request.header(b"content-encoding")
            share = BodyShare(self._bodies, request.principal.membership_id)
            request.raw = request._body = await read_body(
                scope, receive, coding=coding, limit=self._body_limit, share=share
            )
            view = match.func(request, *match.args, **match.kwargs)
            response: HttpResponseBase = await unless_client_leaves(view, receive)
            if response.status_code == 405:
                raise _wrong_method(scope, response)
            return response
        except GatewayError as error:
            return self._refusal(error, request, scope)
        except ClientLeft:
            raise
        except Exception:
            logger.exception("Request %s failed", request.request_id)
            return _error(InternalError(), request.request_id)
        finally:
            if share is not None:
                share.end()

    def _refusal(self, error: GatewayError, request: Any, scope: Scope) -> HttpResponse:
        """The answer to an error, or to one wrong key too many from one address. No frame that raised may name it."""
        if isinstance(error, InvalidKey):
            error = self._limited(request.plane, scope) or error
        if not hasattr(request, "raw") and announces_long_body(scope):
            error.headers["connection"] = "close"  # instead of receiving a body that nobody reads
        return _error(error, request.request_id)

    def _limited(self, plane: DataPlane, scope: Scope) -> TooManyUnknown | None:
        """The refusal of one wrong key too many from one address, which the audit log is told of as well."""
        if presents_key(scope):
            plane.sightings.guessed(host_of(scope))
        wait = self._unknown.count(host_of(scope)).wait
        return TooManyUnknown(wait=wait) if wait else None


def _describe(span: spans.TraceSpan, *, route: str, method: str, status: int, request_id: str) -> None:
    method = method if method in metrics.METHODS else "other"
    span.name(f"{method} /{route}")
    span.set(http__route=f"/{route}", http__request__method=method, stoa__request_id=request_id)
    span.set(http__response__status_code=status)


def _request(scope: Scope, request_id: str, trace: tracing.Trace) -> Any:
    request: Any = DataRequest(scope)
    request.request_id = request_id
    request.trace = trace
    tracing.current.set(request.trace)
    tracing.request_id.set(request_id)
    return request


def _resolved(scope: Scope) -> ResolverMatch:
    path: str = scope["path"]
    try:
        return _resolve(path)
    except Resolver404:
        pass
    if base_url.is_wrong(path):
        raise NotFound(
            "unknown_path",
            f"There is nothing at {path[:200]}. Set the base URL of your client to {_origin(scope)}/v1: it must end in "
            "/v1, and the client adds the rest.",
        )
    raise NotFound(
        "unknown_path", f"There is nothing at {path[:200]}. Try /v1/chat/completions, /v1/models or /v1/usage."
    )


@lru_cache(maxsize=512)
def _resolve(path: str) -> ResolverMatch:
    return get_resolver().resolve(base_url.tidied(path))


def _origin(scope: Scope) -> str:
    """Where the client reached us. The edge has checked the Host."""
    host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
    return f"{scope['scheme']}://{host}" if host else ""


def _wrong_method(scope: Scope, response: HttpResponseBase) -> MethodNotAllowed:
    allowed = (response.get("allow") or response.get("Allow") or "").replace("GET", "GET, HEAD")
    return MethodNotAllowed(
        "method_not_allowed",
        f"{scope['method']} is not possible at {scope['path'][:200]}. Use {allowed}.",
        headers={"allow": allowed},
    )


def _error(error: GatewayError, request_id: str) -> HttpResponse:
    kind = RetryLater if isinstance(error, Overloaded) else HttpResponse
    return kind(
        error.json(request_id=request_id),
        status=error.status,
        content_type="application/json",
        headers=error.headers,
    )


def _route_of(request: Any) -> str:
    match = request.resolver_match
    return match.route if match is not None else "unknown"
