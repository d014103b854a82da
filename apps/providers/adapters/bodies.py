"""The body of an answer, whatever its provider calls it: decoded, and known to be in the form that was asked for.

The bytes decide, not the labels. Types are missing or wrong at many providers, and a server may compress although it
was asked not to (RFC 9110, 12.5.3).
"""

import asyncio
import zlib
from typing import Protocol

from apps.common.clients import ConnectionBroken
from apps.providers.adapters.protocol import UpstreamBroken
from apps.providers.failures import is_error
from apps.providers.failures.spellings import payload_of

MAX_ERROR_BYTES = 64 * 1024
MAX_DECODED = 10 * 2**20  # of what one block decodes to, so that a few bytes cannot become gigabytes
_CODINGS = frozenset({"", "identity", "gzip", "x-gzip", "deflate"})
_BLANK = b" \t\r\n"
_MARK = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
_PLAIN = (b"da", b"ev", b"id", b"re", b": ", b'{"', b"{ ", b"{\n", b"{\r", b"[{", b"[ ")  # how answers begin
_RAW, _ANY = -zlib.MAX_WBITS, zlib.MAX_WBITS | 32  # deflate without a header, as some send it; gzip or zlib


class AnswerBody(Protocol):
    async def read(self) -> bytes: ...


class Decoded:
    """A compressed body that begins with `start`. It may lack its end: the reader knows if it is whole."""

    def __init__(self, start: bytes, body: AnswerBody, *, window: int) -> None:
        self._ahead, self._body, self._window = start, body, window
        self._decoder = zlib.decompressobj(window)

    async def read(self) -> bytes:
        """The next block; empty at the end. Raises UpstreamBroken if it is no such data, or too much of it."""
        while block := self._ahead or await self._body.read():
            self._ahead = b""
            try:
                decoded = self._decode(block)
            except zlib.error as error:
                raise UpstreamBroken("The compressed answer is damaged.") from error
            if decoded:
                return decoded
        return b""

    def _decode(self, block: bytes) -> bytes:
        decoded = b""
        while block:
            decoded += self._decoder.decompress(block, MAX_DECODED - len(decoded) + 1)
            if len(decoded) > MAX_DECODED:
                raise UpstreamBroken(f"A block of the compressed answer is larger than {MAX_DECODED} bytes.")
            block = self._decoder.unused_data
            if block.startswith(_GZIP):  # some servers send every block as a file of its own
                self._decoder = zlib.decompressobj(self._window)
            else:
                break
        return decoded


async def beginning(body: AnswerBody, coding: str, *, seconds: float) -> bytes:
    """The beginning of an error: what can be had of it in this time, whatever goes wrong."""
    parts: list[bytes] = []
    try:
        async with asyncio.timeout(seconds):
            start, body = await _plain(b"", body, coding)
            while start and sum(map(len, parts)) < MAX_ERROR_BYTES:
                parts.append(start)
                start = await body.read()
    except (ConnectionBroken, UpstreamBroken, TimeoutError):
        pass  # the status and what has arrived are enough to classify it
    return b"".join(parts)[:MAX_ERROR_BYTES]


def can_read(coding: str) -> bool:
    return coding.strip().lower() in _CODINGS


async def _plain(start: bytes, body: AnswerBody, coding: str) -> tuple[bytes, AnswerBody]:
    """A few bytes at least, if there are as many, and the rest. Decompressed if need be, whatever it says."""
    start = await _least(start, body)
    window = _window(start, coding)
    if window is None:
        return start, body
    decoded = Decoded(start, body, window=window)
    return await _least(b"", decoded), decoded


def _window(start: bytes, coding: str) -> int | None:
    """How to decompress a body that begins like this; None if it is not compressed."""
    if start.startswith(_GZIP):
        return _ANY
    if not start or coding.strip().lower() != "deflate" or start.lstrip(_BLANK).startswith(_PLAIN):
        return None
    return _ANY if start[0] & 15 == zlib.DEFLATED else _RAW


async def begun(body: AnswerBody, coding: str, *, is_stream: bool) -> tuple[bytes, AnswerBody]:
    """The first block that is not blank, and the rest. Raises UpstreamBroken if it is not what was asked for."""
    start = await body.read()
    if not coding and start.startswith(b"data: " if is_stream else b"{"):
        return start, body  # as nearly all do
    start, body = await _plain(start, body, coding)
    start = start.removeprefix(_MARK)
    while start and not start.lstrip(_BLANK):
        start = await body.read()
    first = start.lstrip(_BLANK)[:1]
    if first == b"<":
        raise UpstreamBroken("Answered a page of markup.")
    if is_stream and first in (b"{", b"["):
        raise await _no_stream(start, body)
    return start, body


async def _least(start: bytes, body: AnswerBody) -> bytes:
    """As many bytes as it takes to know them, if there are as many."""
    while len(start) < len(_MARK) and (more := await body.read()):
        start += more
    return start


async def _no_stream(start: bytes, body: AnswerBody) -> UpstreamBroken:
    """One document where a stream was asked for: an error most often."""
    while len(start) < MAX_ERROR_BYTES and (more := await body.read()):
        start += more
    payload = payload_of(start)
    if not is_error(payload):
        return UpstreamBroken("Answered a document instead of a stream.")
    return UpstreamBroken("Answered an error instead of a stream.", error=payload)
