"""The yardstick: the barest chat path on Stoa's libraries that keeps the promises, to learn what the machine allows.

A key that is checked by its digest, ten rules in RE2, a reservation and a settlement on three accounts that one thread
commits in groups, a row for each call, the text of prompt and answer, and a relay whose end waits for the settlement.
It shares no code with Stoa, so that it stays as it is while Stoa changes. Nothing but a yardstick: one course, one
student, one provider.

`python -m bench.floor PORT UPSTREAM_PORT`, with the key that it takes in BENCH_KEY.
"""

import asyncio
import hashlib
import hmac
import io
import os
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import re2
import uvicorn
import uvloop
from django.conf import settings

from bench.course import MODELS, PATTERNS
from bench.floor_store import Committer, open_ledger, open_texts

settings.configure(SECRET_KEY=secrets.token_hex(), ALLOWED_HOSTS=["*"], LOGGING_CONFIG=None, INSTALLED_APPS=[])

import django  # noqa: E402

django.setup()

from django.core.handlers.asgi import ASGIRequest  # noqa: E402
from django.http import HttpResponse, StreamingHttpResponse  # noqa: E402
from django.urls import URLResolver, path  # noqa: E402
from django.urls.resolvers import RegexPattern  # noqa: E402
from ninja import NinjaAPI  # noqa: E402

ACCOUNTS = (1, 2, 3)  # institution, course, student
CEILING = 10**12
PER_MINUTE = 1_000_000
BLOCKS_AHEAD = 64  # blocks that a client who reads slowly may leave unread
DONE = b"data: [DONE]\n\n"
JSON = "application/json"


@dataclass(slots=True, kw_only=True)
class Minute:
    """The requests of one student in the current minute."""

    began: float = 0.0
    count: int = 0

    def admit(self) -> int:
        """How many are left."""
        if (now := time.monotonic()) - self.began > 60:
            self.began, self.count = now, 0
        self.count += 1
        return PER_MINUTE - self.count


@dataclass(slots=True, kw_only=True)
class Call:
    """One call, from its reservation on."""

    id: str
    hold: int
    amount: int
    prompt: str
    began: float
    started: float
    first_byte: float = 0.0
    status: int = 200
    parts: list[str] = field(default_factory=list)
    usage: dict[str, int] | None = None


class Floor:
    """Everything that the process holds."""

    def __init__(self, directory: Path, *, upstream: int, key: str) -> None:
        self._url = f"http://127.0.0.1:{upstream}/v1/chat/completions"
        self._headers = {"content-type": JSON, "authorization": f"Bearer {secrets.token_hex(16)}"}
        self._pepper = secrets.token_bytes(32)
        self._students = {self._digest(b"Bearer " + key.encode()): Minute()}
        self._ledger: Committer = open_ledger(directory, accounts=len(ACCOUNTS), ceiling=CEILING)
        self._texts: Committer = open_texts(directory)
        self._rules = re2.Set.SearchSet()
        for pattern in PATTERNS:
            self._rules.Add(pattern)
        self._rules.Compile()
        connector = aiohttp.TCPConnector(limit=0)
        self._client = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        self._pumps: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        await asyncio.gather(*self._pumps, return_exceptions=True)
        self._ledger.close()
        self._texts.close()
        await self._client.close()

    def _digest(self, authorization: bytes) -> bytes:
        return hmac.digest(self._pepper, authorization, hashlib.sha256)

    def student(self, headers: list[tuple[bytes, bytes]]) -> Minute | None:
        for name, value in headers:
            if name == b"authorization":
                return self._students.get(self._digest(value))
        return None

    async def chat(self, request: Any) -> HttpResponse | StreamingHttpResponse:
        left = request.student.admit()
        try:
            body = orjson.loads(request.raw)
            prompt = "\n".join(message["content"] for message in body["messages"])
            body["model"] = MODELS[body["model"]]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return _refused(400, "invalid_request")
        if self._rules.Match(prompt):
            return _refused(403, "blocked_by_rule")
        amount = len(request.raw) // 3 + (body.get("max_tokens") or 512)
        id, began, started = secrets.token_hex(16), time.perf_counter(), time.time()
        hold = await self._ledger.submit("reserve", ACCOUNTS, amount)
        if hold is None:
            return _refused(429, "quota_exceeded")
        call = Call(id=id, hold=hold, amount=amount, prompt=prompt, began=began, started=started)
        headers = _headers(call, left)
        if not body.get("stream"):
            return await self._plain(call, orjson.dumps(body), headers)
        body["stream_options"] = {"include_usage": True}
        return self._stream(call, orjson.dumps(body), headers)

    async def _plain(self, call: Call, body: bytes, headers: dict[str, str]) -> HttpResponse:
        answer = b""
        try:
            async with self._client.post(self._url, data=body, headers=self._headers) as response:
                call.status, answer = response.status, await response.read()
            whole = orjson.loads(answer)
            call.usage = whole["usage"]
            call.parts.append(whole["choices"][0]["message"]["content"])
        except (aiohttp.ClientError, orjson.JSONDecodeError, KeyError):
            call.status = 502
        await self._settle(call)
        if call.status != 200:
            return _refused(call.status, "provider_failed")
        return HttpResponse(answer, content_type=JSON, headers=headers)

    def _stream(self, call: Call, body: bytes, headers: dict[str, str]) -> StreamingHttpResponse:
        """The pump goes on to the end, and settles, also when the client has left."""
        blocks: asyncio.Queue[bytes | None] = asyncio.Queue(BLOCKS_AHEAD)
        pump = asyncio.create_task(self._pump(call, body, blocks))
        self._pumps.add(pump)
        pump.add_done_callback(self._pumps.discard)
        return StreamingHttpResponse(_until_none(blocks), content_type="text/event-stream", headers=headers)

    async def _pump(self, call: Call, body: bytes, blocks: "asyncio.Queue[bytes | None]") -> None:
        last, tail = b'data: {"error":{"code":"provider_failed"}}\n\n', b""
        try:
            async with self._client.post(self._url, data=body, headers=self._headers) as response:
                call.status = response.status
                async for piece in response.content.iter_any():
                    whole, end, tail = (tail + piece).rpartition(b"\n\n")
                    block, is_end = _metered(whole + end, call)
                    if block:
                        await blocks.put(block)
                    last = DONE if is_end else last
        except aiohttp.ClientError:
            call.status = 502
        finally:
            await self._settle(call)
        await blocks.put(last)
        await blocks.put(None)

    async def _settle(self, call: Call) -> None:
        text = "".join(call.parts)
        usage = call.usage or {"prompt_tokens": len(call.prompt) // 4, "completion_tokens": len(text) // 4}
        read, written = usage["prompt_tokens"], usage["completion_tokens"]
        charge = read + written if call.status == 200 else 0
        total = (time.perf_counter() - call.began) * 1e3
        row = (call.id, ACCOUNTS[-1], "mock", "mock", read, written, call.status, call.started, call.first_byte, total)
        self._texts.put(call.id, orjson.dumps([call.prompt, text]))
        await self._ledger.submit("settle", call.hold, ACCOUNTS, call.amount, charge, row)


def _metered(block: bytes, call: Call) -> tuple[bytes, bool]:
    """Read the events of a block. Gives it without [DONE], which waits for the settlement, and whether it was there."""
    call.first_byte = call.first_byte or (time.perf_counter() - call.began) * 1e3
    is_end = False
    for event in block.split(b"\n\n"):
        data = event.removeprefix(b"data: ")
        if data == b"[DONE]":
            is_end = True
        elif data:
            chunk = orjson.loads(data)
            call.usage = chunk.get("usage") or call.usage
            for choice in chunk["choices"]:
                if text := choice["delta"].get("content"):
                    call.parts.append(text)
    return (block[: block.rindex(DONE)] if is_end else block), is_end


async def _until_none(blocks: "asyncio.Queue[bytes | None]") -> AsyncIterator[bytes]:
    while (block := await blocks.get()) is not None:
        yield block


def _headers(call: Call, left: int) -> dict[str, str]:
    return {
        "x-request-id": call.id,
        "x-quota-limit-tokens": str(CEILING),
        "x-quota-remaining-tokens": str(CEILING - call.amount),
        "x-ratelimit-limit-requests": str(PER_MINUTE),
        "x-ratelimit-remaining-requests": str(left),
    }


def _refused(status: int, code: str) -> HttpResponse:
    return HttpResponse(orjson.dumps({"error": {"code": code}}), status=status, content_type=JSON)


class Handler:
    """From the socket to Ninja's view and back."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        api = NinjaAPI(docs_url=None, openapi_url=None, urls_namespace="floor")

        @api.post("/v1/chat/completions")
        async def chat(request: Any) -> HttpResponse | StreamingHttpResponse:
            return await floor.chat(request)

        self._resolver = URLResolver(RegexPattern(r"^/"), (path("", api.urls),))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        student = self._floor.student(scope["headers"])
        raw = await _body(receive)
        if student is None or raw is None:
            await _send(_refused(401, "invalid_key"), send)
            return
        request: Any = ASGIRequest(scope, io.BytesIO())
        request.student, request.raw = student, raw
        view = self._resolver.resolve(scope["path"])
        await _send(await view.func(request, *view.args, **view.kwargs), send)


async def _body(receive: Any) -> bytes | None:
    """None if the client leaves before its end."""
    pieces = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        pieces.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(pieces)


async def _send(response: Any, send: Any) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in response.items()]
    if response.streaming:
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        async for block in response:
            await send({"type": "http.response.body", "body": block, "more_body": True})
        await send({"type": "http.response.body"})
    else:
        headers.append((b"content-length", str(len(response.content)).encode()))
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": response.content})
    with suppress(RuntimeError):
        response.close()


async def serve(port: int, upstream: int) -> None:
    """Until SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # uvicorn obeys it, and raises it again at its end
    with tempfile.TemporaryDirectory(prefix="stoa-floor-") as directory:
        floor = Floor(Path(directory), upstream=upstream, key=os.environ["BENCH_KEY"])
        config = uvicorn.Config(
            Handler(floor), host="127.0.0.1", port=port, lifespan="off", log_config=None, access_log=False
        )
        try:
            await uvicorn.Server(config).serve()
        finally:
            await floor.close()


if __name__ == "__main__":
    uvloop.run(serve(*map(int, sys.argv[1:3])))
