"""The handler of /svc: callers without a key where a service admits them, and bodies that are passed on in pieces."""

import logging
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.urls import ResolverMatch, get_resolver

from apps.common.errors import (
    GatewayError,
    InternalError,
    InvalidKey,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    Unavailable,
)
from apps.dataplane.answers import ClientLeft, Relayed
from apps.services.arrivals import ServiceArrival
from apps.services.callers import refuse_narrowed, refuse_others, seen_by
from apps.services.hops import refuse_loops
from apps.services.paths import refuse_odd
from apps.services.registry import Entry
from apps.services.routers import METHODS
from apps.services.runtime import ServiceRuntime
from gateway_project.edge.arriving import ArrivingBody
from gateway_project.edge.cors import Cors
from gateway_project.edge.handler import NOWHERE, DataPlaneHandler
from gateway_project.edge.messages import Scope, presented_key, presents_key, unless_client_leaves
from gateway_project.edge.problems import problem
from gateway_project.edge.protocol import OFFERED

logger = logging.getLogger(__name__)

PREFIX = "/svc"
_ALLOWED = ", ".join(METHODS)
_WITHOUT_BODY = (204, 304)
_IGNORED_OFFERS = (b"h2c", b"tls")  # whose clients go on without


def is_for_services(path: str) -> bool:
    return path == PREFIX or path.startswith(f"{PREFIX}/")


class ServiceHandler(DataPlaneHandler):
    """An ASGI application for everything under /svc."""

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        body = ArrivingBody(scope, receive)

        async def send_and_linger(message: Any) -> None:
            is_last = message["type"] == "http.response.body" and not message.get("more_body", False)
            if is_last and body.may_cost_the_answer:
                await send({**message, "more_body": True})
                await body.discard()
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        await super().__call__(scope, body, send_and_linger if body.is_unread else send)

    def _preflight(self, scope: Scope) -> dict[str, str] | None:
        """It carries no key, so it is answered for everybody, by services that name origins."""
        if scope["method"] != "OPTIONS" or (services := _services_of(scope)) is None:
            return None
        entry, _ = _found(services, scope)
        answer = _cors(entry.cors_origins).preflight("OPTIONS", scope["headers"]) if entry else None
        return answer if answer and "access-control-allow-origin" in answer else None

    def _cors_of(self, request: Any) -> Cors:
        entry: Entry | None = request.entry
        return _cors(entry.cors_origins if entry else frozenset())

    async def _respond(self, request: Any, scope: Scope, receive: Any) -> HttpResponseBase:
        body: ArrivingBody = receive
        request.entry = None
        try:
            request.arrival = await self._arrival(request, scope, body)
            request.resolver_match = match = _operation()
            response: HttpResponseBase = await unless_client_leaves(match.func(request, path=""), body)
            return _fitting(response, body)
        except GatewayError as error:
            return self._refused(error, request, scope, body)
        except ClientLeft:
            raise
        except Exception:
            logger.exception("Request %s failed", request.request_id)
            return self._refused(InternalError(), request, scope, body)

    async def _arrival(self, request: Any, scope: Scope, body: ArrivingBody) -> ServiceArrival:
        """The request of a caller who may make it. Raises GatewayError."""
        services = _services_of(scope)
        if services is None:
            raise Unavailable("starting", "The gateway is starting. Try again in a moment.")
        plane, key, now = services.plane, presented_key(scope), datetime.now(UTC)
        request.plane, request.services = plane, services
        plane.admission.check(lambda: plane.principals.knows(key))
        entry, rest = _found(services, scope)
        request.entry, admitted = entry, plane.principals.revision.current
        principal = await plane.principals.authenticate(key, now=now) if presents_key(scope) else None
        if entry is None and principal is None:
            raise InvalidKey  # whoever has no key does not learn which services there are
        if principal is not None:
            refuse_narrowed(principal.scopes, method=scope["method"])
            request.entry = entry = seen_by(principal, entry)
        if entry is not None:
            refuse_others(entry, principal)
        _refuse_impossible(scope)
        if entry is None:
            raise NotFound("unknown_service", "There is no such service.")
        refuse_loops(entry.id, scope["headers"])
        body.limit = entry.max_body_bytes
        body.refuse_long()
        return ServiceArrival(
            id=request.request_id,
            entry=entry,
            method=scope["method"],
            rest=rest,
            query=scope.get("query_string", b""),
            headers=scope["headers"],
            body=body,
            principal=principal,
            address=(scope.get("client") or NOWHERE)[0],
            scheme=scope["scheme"],
            now=now,
            trace=request.trace,
            admitted=admitted,
        )

    def _refused(self, error: GatewayError, request: Any, scope: Scope, body: ArrivingBody) -> HttpResponse:
        if isinstance(error, InvalidKey):
            error = self._limited(request.plane, scope) or error
        if body.is_unread and (body.is_long or _asks_whether_to_send(scope)):
            error.headers["connection"] = "close"  # the client may send its body or not
        return problem(error, request.request_id)


def _services_of(scope: Scope) -> ServiceRuntime | None:
    services: ServiceRuntime | None = scope.get("state", {}).get("services")
    return services


def _found(services: ServiceRuntime, scope: Scope) -> tuple[Entry | None, str]:
    """The service, and the rest of the path as it came. A path that begins with an encoded /svc leads nowhere."""
    raw: bytes = scope["raw_path"]
    behind = raw[len(PREFIX) :].decode("latin-1") if raw.startswith(PREFIX.encode()) else ""
    return services.registry.current.find(behind) or (None, "")


def _refuse_impossible(scope: Scope) -> None:
    """Raise a GatewayError for what no service is asked."""
    refuse_odd(scope["raw_path"], scope.get("query_string", b""))
    if scope["method"] not in METHODS:
        raise MethodNotAllowed(
            "method_not_allowed",
            f"{scope['method']} is not passed on to services. Use another method.",
            headers={"allow": _ALLOWED},
        )
    offered: bytes = scope.get("state", {}).get(OFFERED, b"")
    if offered and not offered.lower().startswith(_IGNORED_OFFERS):
        raise InvalidRequest(
            "upgrade_refused",
            "Stoa passes on plain HTTP only, no WebSockets or other protocols. Use a stream of events or long polling.",
        )


def _asks_whether_to_send(scope: Scope) -> bool:
    return any(name == b"expect" for name, _ in scope["headers"])


def _fitting(response: HttpResponseBase, body: ArrivingBody) -> HttpResponseBase:
    """The answer of a service, with headers that fit how it is sent."""
    if isinstance(response, Relayed):
        if response.status_code in _WITHOUT_BODY:
            response.pairs = [pair for pair in response.pairs if pair[0] != b"content-length"]
        if body.is_unread:
            response.pairs.append((b"connection", b"close"))
    return response


_NO_ORIGIN = frozenset({"-"})  # so that every answer varies by origin, and Vary tells nobody which services there are


@lru_cache(maxsize=1024)
def _cors(origins: frozenset[str]) -> Cors:
    return Cors(origins or _NO_ORIGIN, methods=_ALLOWED)


@cache
def _operation() -> ResolverMatch:
    return get_resolver().resolve(f"{PREFIX}/x")
