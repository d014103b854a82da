"""Just enough HTTP/1.1 to be talked to by a pooling client, and to misbehave at any byte."""

import asyncio
import contextlib
import gzip
import json
import socket
import struct
import time
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from tests.provider_stub import answers
from tests.provider_stub.behaviour import Behaviour
from tests.provider_stub.journal import Exchange

NEVER = 3600.0


class Stub(Protocol):
    journal: list[Exchange]
    checks: list[Exchange]
    listing: Behaviour

    def next_behaviour(self) -> Behaviour: ...
    async def pause(self) -> None: ...


class Cut(Exception):
    """The connection ends here, by the stub's own will."""


class Left(Exception):
    """The client closed the connection."""


async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, stub: Stub, number: int) -> None:
    """Answer the requests of one connection, one after the other."""
    writer.transport.set_write_buffer_limits(high=0)
    try:
        while (exchange := await _read(reader)) is not None:
            exchange.connection = number
            if exchange.method == "GET":  # a health check, which comes when it likes
                behaviour = stub.listing
                stub.checks.append(exchange)
            else:
                behaviour = _for(exchange, stub.next_behaviour())
                stub.journal.append(exchange)
            try:
                await _unless_left(reader, Answer(exchange, behaviour, writer, stub).send())
                exchange.finished = True
            except (Left, ConnectionError):
                exchange.left = True
                return
            except Cut:
                return
            finally:
                exchange.over_at = time.monotonic()
                exchange.over.set()
    finally:
        writer.transport.abort()


async def _read(reader: asyncio.StreamReader) -> Exchange | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        raw = await reader.readexactly(int(headers.get("content-length", 0)))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    body = None
    with contextlib.suppress(ValueError):
        body = json.loads(raw)
    method, path, _ = first.split(" ")
    return Exchange(method=method, path=path, headers=headers, body=body, raw=raw)


def _for(exchange: Exchange, behaviour: Behaviour) -> Behaviour:
    """The behaviour towards this request: with the prompt in its text, or without the refusal, if it wants that."""
    if not isinstance(exchange.body, dict):
        return behaviour
    if behaviour.refuses and exchange.body.keys().isdisjoint(behaviour.refuses):
        behaviour = replace(behaviour, status=200, body=None)
    if not behaviour.repeats_prompt:
        return behaviour
    return replace(behaviour, text=f"{exchange.messages[-1]['content']} {behaviour.text}")


async def _unless_left(reader: asyncio.StreamReader, answering: Awaitable[None]) -> None:
    """Answer, but notice when the client goes. A client that waits for an answer sends nothing: any news is an end."""
    answer, news = asyncio.ensure_future(answering), asyncio.ensure_future(reader.read(1))
    try:
        await asyncio.wait((answer, news), return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise Left
        await answer
    finally:
        for task in (answer, news):
            task.cancel()
        await asyncio.gather(answer, news, return_exceptions=True)


class Answer:
    """One answer on its way out."""

    def __init__(self, exchange: Exchange, behaviour: Behaviour, writer: asyncio.StreamWriter, stub: Stub) -> None:
        self._exchange, self._behaviour, self._writer, self._stub = exchange, behaviour, writer, stub
        self._gzip = zlib.compressobj(wbits=31)

    async def send(self) -> None:
        behaviour, body = self._behaviour, self._exchange.body
        if behaviour.reset:
            self._reset()
        if behaviour.close:
            raise Cut
        if behaviour.hang_before_first_byte:
            await asyncio.sleep(NEVER)
        await asyncio.sleep(behaviour.delay)
        if behaviour.body is not None:
            await self._send_whole(behaviour.body)
        elif behaviour.status != 200:
            await self._send_whole(json.dumps(answers.error()).encode())
        elif not isinstance(body, dict):
            await self._send_whole(b"{}")
        elif body.get("stream"):
            await self._send_stream(body)
        else:
            await self._send_plain(body)

    def _reset(self) -> None:
        """Close so that the peer gets a reset instead of an orderly end."""
        opened = self._writer.get_extra_info("socket")
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Cut

    async def _send_plain(self, body: dict[str, Any]) -> None:
        if self._behaviour.plain is not None:
            await self._send_whole(self._behaviour.plain)
            return
        answer = answers.plain(self._behaviour, body)
        await self._send_whole(json.dumps(answer, ensure_ascii=False).encode())
        self._exchange.sent.append(self._behaviour.text)
        self._exchange.usage = answer.get("usage")

    async def _send_whole(self, content: bytes) -> None:
        headers = {"content-type": "application/json", **self._behaviour.headers}
        if self._behaviour.gzip:
            content = gzip.compress(content)
            headers["content-encoding"] = "gzip"
        if not self._behaviour.until_close:
            headers["content-length"] = str(len(content))
        head = self._head(headers)
        if self._behaviour.half_body:
            await self._write(head + content[: len(content) // 2])
            raise Cut
        await self._write(head + content)
        if self._behaviour.until_close:
            raise Cut

    async def _send_stream(self, body: dict[str, Any]) -> None:
        headers = {"content-type": "text/event-stream; charset=utf-8", **self._behaviour.headers}
        if self._behaviour.gzip:
            headers["content-encoding"] = "gzip"
        if not self._behaviour.until_close:
            headers["transfer-encoding"] = "chunked"
        await self._write(self._head(headers))
        if self._behaviour.events is None:
            await self._send_chunks(body)
        else:
            await self._send_events(self._behaviour.events)
        if self._behaviour.until_close:
            raise Cut
        await self._write(b"0\r\n\r\n")

    async def _send_events(self, events: Sequence[Any]) -> None:
        for position, event in enumerate(events):
            if position == self._behaviour.pause_after:
                await self._stub.pause()
            if position == self._behaviour.cut_after:
                raise Cut
            await self._event(event)
            await asyncio.sleep(self._behaviour.chunk_delay)

    async def _send_chunks(self, body: dict[str, Any]) -> None:
        await self._event(answers.chunk(body, {"role": "assistant", "content": ""}))
        if await self._send_text(body):
            await self._event(answers.last_chunk(self._behaviour, body))
            await asyncio.sleep(self._behaviour.usage_delay)
            if (body.get("stream_options") or {}).get("include_usage") and not self._behaviour.no_usage:
                await self._event(answers.usage_chunk(self._behaviour, body))
                self._exchange.usage = answers.usage(self._behaviour, body)
            await asyncio.sleep(self._behaviour.done_delay)
            if not self._behaviour.no_done:
                await self._event("[DONE]")

    async def _send_text(self, body: dict[str, Any]) -> bool:
        """The chunks of text, with whatever is to happen between them. False: the stream is to end early."""
        behaviour = self._behaviour
        for position, delta in enumerate(answers.deltas(behaviour)):
            if position == behaviour.pause_after:
                await self._stub.pause()
            if position == behaviour.cut_after:
                raise Cut
            if position == behaviour.end_after:
                return False
            if position == behaviour.error_after:
                await self._event(answers.error())
                return False
            if position == behaviour.malformed_after:
                await self._event('{"choices": [{"delta": {"content": "half an ev')
            await self._event(answers.piece(behaviour, body, delta))
            self._exchange.sent.append(str(next(iter(delta.values()))))
            await asyncio.sleep(behaviour.chunk_delay)
        return True

    async def _event(self, value: Any) -> None:
        event = value if isinstance(value, bytes) else answers.event(value, self._behaviour)
        if self._behaviour.gzip:
            event = self._gzip.compress(event) + self._gzip.flush(zlib.Z_SYNC_FLUSH)
        size = self._behaviour.split or len(event)
        for start in range(0, len(event), size):
            piece = event[start : start + size]
            if not self._behaviour.until_close:
                piece = f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
            await self._write(piece)

    async def _write(self, content: bytes) -> None:
        self._writer.write(content)
        await self._writer.drain()
        self._exchange.bytes_sent += len(content)
        await asyncio.sleep(0)

    def _head(self, headers: Mapping[str, str | Callable[[], str]]) -> bytes:
        values = {name: value() if callable(value) else value for name, value in headers.items()}
        lines = [f"HTTP/1.1 {self._behaviour.status} Stub", *(f"{name}: {value}" for name, value in values.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
