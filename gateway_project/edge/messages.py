"""Translates between ASGI messages and the data plane: keys, bodies, responses and disconnects."""

import asyncio
from collections.abc import Coroutine, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

from django.http import HttpResponse
from django.http.response import HttpResponseBase

from apps.common import large_bodies
from apps.common.ids import new_id
from apps.dataplane.answers import Answer, ClientLeft, Relayed, encoded
from gateway_project.edge.body_budget import SHORT, BodyShare
from gateway_project.edge.compression import too_large, unpacked, unpacker

Scope = dict[str, Any]
T = TypeVar("T")

UNWATCHED_SECONDS = 0.05
_FORMS = (b"multipart/form-data", b"application/x-www-form-urlencoded")
_PRIVATE = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))  # of every answer
_KEY_HEADERS = frozenset({b"authorization", b"x-api-key", b"api-key"})


def presented_key(scope: Scope) -> str | None:
    """The API key in the headers: `Authorization`, `x-api-key` as Anthropic's clients send it, or `api-key` as Azure's.

    None if there is none, a header comes twice or two differ; empty if the scheme of `Authorization` is not Bearer.
    """
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in _KEY_HEADERS:
            if name in found:
                return None
            found[name] = _bearer(value) if name == b"authorization" else value.strip()
    keys = set(found.values())
    return keys.pop().decode("latin-1") if len(keys) == 1 else None


def presents_key(scope: Scope) -> bool:
    """True even for a key in a form that is refused unread. A client without any key guesses nothing."""
    return any(name in _KEY_HEADERS for name, _ in scope["headers"])


def _bearer(value: bytes) -> bytes:
    kind, *rest = value.split(None, 1)[:2] or [b""]
    return rest[0].strip() if rest and kind.lower() == b"bearer" else b""


async def read_body(scope: Scope, receive: Any, *, coding: str | None, limit: int, share: BodyShare) -> bytes:
    """The whole body, of at most `limit` bytes, and decompressed. Raises a GatewayError or ClientLeft.

    `coding` is its Content-Encoding. `share` grows with the body, and is the caller's to end.
    """
    unpack = unpacker(coding) if coding else None
    raw = await _received(scope, receive, limit=limit, share=share)
    if unpack is None or not raw:
        return raw
    plain = await large_bodies.in_thread(partial(unpacked, raw, unpack=unpack, limit=limit))
    share.grow(len(plain))
    return plain


async def _received(scope: Scope, receive: Any, *, limit: int, share: BodyShare) -> bytes:
    size = announced_length(scope)
    parts: list[bytes] = []
    received, more = 0, True
    while size <= limit and received <= limit and more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        parts.append(message.get("body", b""))
        received += len(parts[-1])
        if received > SHORT:
            share.grow(received)
        more = message.get("more_body", False)
    if max(size, received) > limit:
        raise too_large(limit)
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def unless_client_leaves(work: Coroutine[Any, Any, T], receive: Any) -> T:
    """Await the work. Cancel it and raise ClientLeft if the client disconnects first."""
    task, loop, left = asyncio.current_task(), asyncio.get_running_loop(), False
    assert task is not None  # noqa: S101  # an ASGI application runs in a task
    watcher: asyncio.Task[None] | None = None

    async def watch() -> None:
        nonlocal left
        while (await receive())["type"] != "http.disconnect":
            pass  # the end of a body that nobody read
        left = True
        task.cancel()

    def start() -> None:
        nonlocal watcher
        watcher = loop.create_task(watch())

    # Most answers come before it would pay off to start a task that watches the client.
    timer = loop.call_later(UNWATCHED_SECONDS, start)
    try:
        return await work
    except asyncio.CancelledError:
        if not left:
            raise
        task.uncancel()
        raise ClientLeft from None
    finally:
        timer.cancel()
        if watcher is not None:
            watcher.cancel()


async def send_response(
    response: HttpResponseBase,
    request_id: str,
    receive: Any,
    send: Any,
    *,
    more: Mapping[str, str] = MappingProxyType({}),
    rest: float = 0.0,
) -> None:
    """Send a whole response, with `more` headers.

    For `rest` seconds after it, further requests on this connection wait unread.
    """
    if isinstance(response, Relayed):
        pairs = [*response.pairs, *encoded(more), (b"x-request-id", request_id.encode())]
        await _send_stream(response, pairs, receive, send)
        return
    own = response.headers if isinstance(response, Answer) else dict(response.items())
    headers = [*encoded({**own, **more}), (b"x-request-id", request_id.encode()), *_PRIVATE]
    if isinstance(response, Answer):
        if response.body is None:
            await _send_stream(response, headers, receive, send)
            return
        body = response.body
    else:
        body = response.content if isinstance(response, HttpResponse) else b""
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    if rest:
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await asyncio.sleep(rest)
        body = b""
    await send({"type": "http.response.body", "body": body})


async def _send_stream(response: Answer | Relayed, headers: Any, receive: Any, send: Any) -> None:
    """Send blocks as they come. If anything prevents that, tell the pump at once by `on_disconnect`."""

    async def send_blocks() -> None:
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        async for block in response.blocks:
            await send({"type": "http.response.body", "body": block, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    try:
        await unless_client_leaves(send_blocks(), receive)
    except BaseException:
        response.on_disconnect()
        raise


def limit_of_form(scope: Scope, *, form: int, other: int) -> int:
    """The most bytes of a body for the control plane. Only forms may be long: they are read in pieces, unlike JSON."""
    kinds = [value for name, value in scope["headers"] if name == b"content-type"]
    return form if kinds and all(kind.strip().lower().startswith(_FORMS) for kind in kinds) else other


async def with_body_limit(application: Any, scope: Scope, receive: Any, send: Any, *, limit: int) -> None:
    """Run an application that would read a body of any size, and answer 413 if it exceeds `limit` bytes."""
    is_over = announced_length(scope) > limit
    received = 0

    async def bounded() -> Any:
        nonlocal received, is_over
        message = await receive()
        received += len(message.get("body", b""))
        if received <= limit:
            return message
        is_over = True
        return {"type": "http.disconnect"}

    if not is_over:
        await application(scope, bounded, send)
    if is_over:
        name = new_id().encode()
        kind, end = (b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")
        headers = [kind, end, (b"x-request-id", name)]
        await send({"type": "http.response.start", "status": 413, "headers": headers})
        await send({"type": "http.response.body", "body": f"At most {limit:,} bytes can be sent here.".encode()})


def announced_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            announced = value.strip()
            return int(announced) if announced.isdigit() else 0
    return 0


def announces_long_body(scope: Scope) -> bool:
    """True for a body of more than 64 KiB or of unknown length."""
    return announced_length(scope) > SHORT or any(name == b"transfer-encoding" for name, _ in scope["headers"])
