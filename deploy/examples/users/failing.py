"""The users service, which fails when it is told to. For tests, and to see what a gateway makes of it.

    python -m uvicorn --app-dir deploy/examples/users failing:app --port 9301

PUT /_failures says what happens to the next requests and to the next health checks, in order:

    {"requests": [{"how": "error", "status": 500, "times": 3}, {"how": "slow", "seconds": 2, "times": 0}], "checks": []}

`times` 0 is for ever. With "repeats": true the list for requests begins again when it ends, so that the instance flaps.
DELETE forgets everything, GET returns what arrived since then. A request may bring its own failure:
`x-fail: how=slow&seconds=2`.
"""

import asyncio
import hashlib
import json
import socket
import struct
from collections import deque
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl

import users

CONTROL, CHECK = "/_failures", "/health"
BLOCK = 65_536
JOURNAL = 20_000
LINGER_NOT = struct.pack("ii", 1, 0)  # a socket that is closed then sends a reset


@dataclass(frozen=True)
class Failure:
    """One of the functions of HOW, and what it needs to know. `reads`: first receive the whole body."""

    how: str = "behave"
    times: int = 1
    status: int = 200
    seconds: float = 3600.0
    bytes: int = 1024
    piece: int = BLOCK
    reads: bool = True
    chunked: bool = False  # instead of a content-length
    kind: str = "text/plain"
    headers: list[list[str]] = field(default_factory=list)
    text: str = ""

    @classmethod
    def of_header(cls, value: str) -> "Failure":
        given: dict[str, Any] = dict(parse_qsl(value))
        return cls(
            **{name: text if name in ("how", "kind", "text") else json.loads(text) for name, text in given.items()}
        )


@dataclass
class Received:
    """What arrived, as GET /_failures and `echo` tell it."""

    method: str
    target: str
    headers: list[list[str]]
    length: int = 0
    sha256: str = ""
    body: str = ""  # its first 4 kB
    is_whole: bool = False
    how: str = ""


class Failing:
    """The service, with what it is to do next."""

    def __init__(self, service: Any) -> None:
        self.service = service
        self.forget()

    def forget(self) -> None:
        self.requests: deque[Failure] = deque()
        self.checks: deque[Failure] = deque()
        self.repeats = False
        self.journal: deque[Received] = deque(maxlen=JOURNAL)
        self.checked = self.open = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise NotImplementedError
        if scope["path"] == CONTROL:
            await self.control(scope, receive, send)
            return
        received, failure = arrived(scope), self.next_for(scope)
        received.how = failure.how
        if scope["path"] != CHECK:
            self.journal.append(received)
        self.open += 1
        try:
            await HOW[failure.how](self, failure, received, scope, noting(receive, received), send)
        finally:
            self.open -= 1

    def next_for(self, scope: Any) -> Failure:
        if scope["path"] == CHECK:
            self.checked += 1
            return taken(self.checks, repeats=False)
        for name, value in scope["headers"]:
            if name == b"x-fail":
                return Failure.of_header(value.decode())
        return taken(self.requests, repeats=self.repeats)

    async def control(self, scope: Any, receive: Any, send: Any) -> None:
        body = await users.read(receive)
        if scope["method"] == "DELETE":
            self.forget()
        elif scope["method"] == "PUT":
            plan = json.loads(body)
            self.requests = deque(Failure(**given) for given in plan.get("requests", ()))
            self.checks = deque(Failure(**given) for given in plan.get("checks", ()))
            self.repeats = plan.get("repeats", False)
        told = {"requests": list(map(asdict, self.journal)), "checks": self.checked, "open": self.open}
        await answer(send, Failure(kind="application/json"), json.dumps(told).encode())


def taken(plan: deque[Failure], *, repeats: bool) -> Failure:
    """The next of a plan, which has it once less often then."""
    if not plan:
        return Failure()
    first = plan[0]
    if first.times == 1:
        plan.popleft()
    elif first.times:
        plan[0] = replace(first, times=first.times - 1)
    if repeats and first.times:
        plan.append(replace(first, times=1))
    return first


def arrived(scope: Any) -> Received:
    query = scope["query_string"]
    target = scope["raw_path"] + (b"?" + query if query else b"")
    pairs = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]]
    return Received(scope["method"], target.decode("latin-1"), pairs)


def noting(receive: Any, received: Received) -> Any:
    """`receive`, which takes down what comes."""
    digest = hashlib.sha256()

    async def take() -> Any:
        message = await receive()
        if message["type"] == "http.request":
            piece = message.get("body", b"")
            digest.update(piece)
            received.length += len(piece)
            received.body += piece[: 4096 - len(received.body)].decode("latin-1")
            received.is_whole = not message.get("more_body", False)
            received.sha256 = digest.hexdigest()
        return message

    return take


async def pieces(receive: Any) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        more = message.get("more_body", False)
        yield message.get("body", b"")


async def read(receive: Any, failure: Failure) -> None:
    if failure.reads:
        async with aclosing(pieces(receive)) as body:
            async for _ in body:
                pass


# What it can do. `send.__self__` is uvicorn's half of a conversation, which knows the connection.


async def behave(self: Failing, failure: Failure, received: Received, scope: Any, receive: Any, send: Any) -> None:
    await self.service(scope, receive, send)


async def error(self: Failing, failure: Failure, received: Received, scope: Any, receive: Any, send: Any) -> None:
    """An answer of its own, 503 unless another status is wanted."""
    await read(receive, failure)
    failed = failure if failure.status != 200 else replace(failure, status=503)
    await answer(send, failed, failure.text.encode() or b"It was told to fail.")


async def echo(self: Failing, failure: Failure, received: Received, scope: Any, receive: Any, send: Any) -> None:
    """What arrived, as JSON."""
    await read(receive, failure)
    await answer(send, replace(failure, kind="application/json"), json.dumps(asdict(received)).encode())


async def slow(self: Failing, failure: Failure, received: Received, scope: Any, receive: Any, send: Any) -> None:
    """A good answer, after a while."""
    await asyncio.sleep(failure.seconds)
    await self.service(scope, receive, send)


async def hang(self: Failing, failure: Failure, received: Received, scope: Any, receive: Any, send: Any) -> None:
    """Nothing, until the client leaves."""
    await read(receive, failure)
    leaving = asyncio.ensure_future(receive()) if failure.reads else asyncio.ensure_future(asyncio.sleep(3600))
    await asyncio.wait([leaving], timeout=failure.seconds)
    leaving.cancel()
    close(send)


async def drop(self: Failing, failure: Failure, received: Received, scope: Any, receive: Any, send: Any) -> None:
    """The connection ends, with a reset, before any answer."""
    await read(receive, failure)
    reset(send)


async def break_off(self: Failing, failure: Failure, received: Received, scope: Any, receive: Any, send: Any) -> None:
    """The answer ends in the middle of its body: with a reset, or an orderly end of the connection (`text` "fin")."""
    await read(receive, failure)
    await begin(send, failure, failure.bytes)
    await send({"type": "http.response.body", "body": b"x" * (failure.bytes // 2), "more_body": True})
    await asyncio.sleep(0.05)  # so that what was sent is not lost with the connection
    close(send) if failure.text == "fin" else reset(send)


async def big(self: Failing, failure: Failure, received: Received, scope: Any, receive: Any, send: Any) -> None:
    """An answer of `bytes` in pieces. With seconds below an hour it trickles: that long before each piece."""
    await read(receive, failure)
    await begin(send, failure, failure.bytes)
    left, block = failure.bytes, (failure.text.encode() or b"x") * failure.piece
    while left > 0:
        if failure.seconds < 3600:
            await asyncio.sleep(failure.seconds)
        piece = block[: min(left, failure.piece)]
        left -= len(piece)
        await send({"type": "http.response.body", "body": piece, "more_body": left > 0})


async def raw(self: Failing, failure: Failure, received: Received, scope: Any, receive: Any, send: Any) -> None:
    """The text, byte for byte, in place of an answer; then the end of the connection."""
    await read(receive, failure)
    send.__self__.transport.write(failure.text.encode("latin-1"))
    close(send)


HOW = {
    "behave": behave, "error": error, "echo": echo, "slow": slow, "hang": hang, "drop": drop, "break": break_off, 
    "big": big, "trickle": big, "raw": raw,
}  # fmt: skip


async def begin(send: Any, failure: Failure, length: int) -> None:
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in failure.headers]
    headers.append((b"content-type", failure.kind.encode()))
    if not failure.chunked:
        headers.append((b"content-length", b"%d" % length))
    await send({"type": "http.response.start", "status": failure.status, "headers": headers})


async def answer(send: Any, failure: Failure, body: bytes) -> None:
    await begin(send, failure, len(body))
    await send({"type": "http.response.body", "body": body})


def close(send: Any) -> None:
    cycle = send.__self__
    cycle.response_started = cycle.response_complete = True  # or uvicorn says that there was none
    cycle.transport.close()


def reset(send: Any) -> None:
    connection = send.__self__.transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
    cycle = send.__self__
    cycle.response_started = cycle.response_complete = True
    cycle.transport.abort()


app = Failing(users.app)
