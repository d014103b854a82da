"""The data plane's handler: from the socket to a view and back, with nothing in between that the path does not need.

Django's own handler reads and spools the whole body, of anybody, before any of our code runs, and costs several hops
between threads for each request. This one checks the key from the headers first, then reads a bounded body as bytes,
awaits the view directly, and notices a client that leaves. It uses Django's request class, URL resolver and responses;
no middleware, no signals, no thread.
"""

import asyncio
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

from apps.chat.plane import Plane
from apps.chat.responses import StreamedAnswer
from apps.common.errors import BodyTooLarge, GatewayError, InternalError, MethodNotAllowed, NotFound, Unavailable
from apps.common.ids import new_id
from gateway_project import metrics

logger = logging.getLogger(__name__)

Scope = dict[str, Any]


class ClientLeft(Exception):
    """The client closed the connection before it had sent its request or read its answer."""


class DataRequest(ASGIRequest):
    """A request of the student API; see `apps.chat.routers.StudentRequest` for what it carries."""


class DataPlaneHandler:
    """An ASGI application for everything under /v1."""

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        started, request_id = time.perf_counter(), new_id()
        route, status = "unknown", 499
        try:
            request = DataRequest(scope, io.BytesIO())
            request.request_id = request_id  # type: ignore[attr-defined]
            response = await self._respond(request, scope, receive)
            route, status = _route_of(request), response.status_code
            await _send(response, request_id, receive, send)
        except ClientLeft:
            logger.debug("The client of %s left", request_id)
        finally:
            metrics.observe(route=route, method=scope["method"], status=status, seconds=time.perf_counter() - started)

    async def _respond(self, request: Any, scope: Scope, receive: Any) -> HttpResponseBase:
        try:
            plane: Plane | None = scope.get("state", {}).get("plane")
            if plane is None:
                raise Unavailable("starting", "The gateway is starting. Try again in a moment.")
            request.plane = plane
            request.principal = await plane.principals.authenticate(_key(scope), now=datetime.now(UTC))
            request.resolver_match = match = _resolve(scope["path"])
            request.raw = request._body = await _read_body(scope, receive)
            response = await _unless_client_leaves(match.func(request, *match.args, **match.kwargs), receive)
            if response.status_code == 405:
                raise _wrong_method(scope, response)
            return response
        except GatewayError as error:
            return _error(error, request.request_id)
        except ClientLeft:
            raise
        except Exception:
            logger.exception("Request %s failed", request.request_id)
            return _error(InternalError(), request.request_id)


def _key(scope: Scope) -> str | None:
    """The key that the headers present; None if they present none, or several, or one in the wrong form."""
    found = []
    for name, value in scope["headers"]:
        if name == b"authorization":
            kind, _, text = value.partition(b" ")
            found.append(text.strip() if kind.lower() == b"bearer" else b"")
        elif name == b"x-api-key":
            found.append(value.strip())
    return found[0].decode("latin-1") if len(found) == 1 else None


@lru_cache(maxsize=512)
def _resolve(path: str) -> ResolverMatch:
    try:
        return get_resolver().resolve(path)
    except Resolver404:
        raise NotFound(
            "unknown_path", f"There is nothing at {path[:200]}. Try /v1/chat/completions, /v1/models or /v1/usage."
        ) from None


async def _read_body(scope: Scope, receive: Any) -> bytes:
    """The whole body, never more than MAX_REQUEST_SIZE of it."""
    announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    size, parts = int(announced) if announced.isdigit() else 0, []
    received, more = 0, True
    while size <= settings.MAX_REQUEST_SIZE and received <= settings.MAX_REQUEST_SIZE and more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        parts.append(message.get("body", b""))
        received += len(parts[-1])
        more = message.get("more_body", False)
    if max(size, received) > settings.MAX_REQUEST_SIZE:
        raise BodyTooLarge(
            "request_too_large",
            f"The body is larger than {settings.MAX_REQUEST_SIZE:,} bytes. Send less at once.",
            headers={"connection": "close"},
        )
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def _unless_client_leaves(view: Any, receive: Any) -> HttpResponseBase:
    """Await the view; cancel it and raise ClientLeft if the client goes first."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  # an ASGI application runs in a task
    left = False

    async def watch() -> None:
        nonlocal left
        await receive()
        left = True
        task.cancel()

    watcher = asyncio.create_task(watch())
    try:
        response: HttpResponseBase = await view
        return response
    except asyncio.CancelledError:
        if not left:
            raise
        task.uncancel()
        raise ClientLeft from None
    finally:
        watcher.cancel()


async def _send(response: HttpResponseBase, request_id: str, receive: Any, send: Any) -> None:
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in response.items()]
    headers.append((b"x-request-id", request_id.encode()))
    if isinstance(response, StreamedAnswer):
        await _send_stream(response, headers, receive, send)
        return
    body = response.content if isinstance(response, HttpResponse) else b""
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _send_stream(response: StreamedAnswer, headers: Any, receive: Any, send: Any) -> None:
    """Send blocks as they come; a server that hears of the client's leaving tells the pump at once."""
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})

    async def send_blocks() -> None:
        async for block in response.blocks:
            await send({"type": "http.response.body", "body": block, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    sender = asyncio.create_task(send_blocks())
    watcher = asyncio.create_task(receive())
    try:
        await asyncio.wait((sender, watcher), return_when=asyncio.FIRST_COMPLETED)
        if not sender.done():
            raise ClientLeft
        sender.result()
    finally:
        if not sender.done() or sender.cancelled() or sender.exception() is not None:
            response.on_disconnect()
        sender.cancel()
        watcher.cancel()


def _wrong_method(scope: Scope, response: HttpResponseBase) -> MethodNotAllowed:
    allowed = response.get("allow") or response.get("Allow") or ""
    return MethodNotAllowed(
        "method_not_allowed",
        f"{scope['method']} is not possible at {scope['path'][:200]}. Use {allowed}.",
        headers={"allow": allowed},
    )


def _error(error: GatewayError, request_id: str) -> HttpResponse:
    return HttpResponse(
        error.json(request_id=request_id),
        status=error.status,
        content_type="application/json",
        headers=error.headers,
    )


def _route_of(request: Any) -> str:
    match = request.resolver_match
    return match.route if match is not None else "unknown"
