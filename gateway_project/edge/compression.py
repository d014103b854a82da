"""Unpacks request bodies that clients compressed, within the limit for bodies. Pure, and slow enough for a thread."""

import zlib
from collections.abc import Callable

from apps.common.errors import BodyTooLarge, InvalidRequest, UnsupportedCoding

ACCEPTED = "gzip, deflate"
Unpack = Callable[[bytes, int], bytes]

_GZIP_HEAD = b"\x1f\x8b\x08"
_MOST_MEMBERS = 20  # a file of gzip may consist of several, and what is behind each is copied
_GZIP, _ZLIB, _RAW = 31, 15, -15  # what zlib calls these formats


def unpacker(coding: str) -> Unpack | None:
    """What unpacks a body with this Content-Encoding; None if it is as it is. Raises UnsupportedCoding."""
    named = [name for part in coding.lower().split(",") if (name := part.strip()) not in ("", "identity")]
    if not named:
        return None
    unpack = _UNPACKERS.get(named[0].removeprefix("x-"))  # an old name of gzip begins with it
    if unpack is None or len(named) > 1:
        raise UnsupportedCoding(ACCEPTED)
    return unpack


def unpacked(packed: bytes, *, unpack: Unpack, limit: int) -> bytes:
    """The body that was compressed. Raises BodyTooLarge once it exceeds `limit` bytes, or InvalidRequest."""
    try:
        body = unpack(packed, limit + 1)
    except zlib.error:
        raise InvalidRequest(
            "invalid_compression",
            "The body cannot be decompressed. Send it whole and as its Content-Encoding says, or plain.",
        ) from None
    if len(body) > limit:
        raise too_large(limit)
    return body


def too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(
        "request_too_large",
        f"The body is larger than {limit:,} bytes. Send less at once.",
        headers={"connection": "close"},
    )


def _gunzip(packed: bytes, most: int) -> bytes:
    """Not by the module gzip, which reads a head byte by byte, so that one of a few megabytes takes seconds."""
    if packed.count(_GZIP_HEAD) > _MOST_MEMBERS:
        raise zlib.error("too many members")
    body = b""
    while packed and len(body) < most:
        stream = zlib.decompressobj(_GZIP)
        body += stream.decompress(packed, most - len(body))
        if len(body) < most and not stream.eof:
            raise zlib.error("cut off")
        packed = stream.unused_data
    return body


def _inflate(packed: bytes, most: int) -> bytes:
    """Some call deflate what lacks the head of zlib."""
    try:
        return _inflated(packed, most, _ZLIB)
    except zlib.error:
        return _inflated(packed, most, _RAW)


def _inflated(packed: bytes, most: int, format: int) -> bytes:
    stream = zlib.decompressobj(format)
    body = stream.decompress(packed, most)
    if len(body) < most and (not stream.eof or stream.unused_data):
        raise zlib.error("cut off, or more than that")
    return body


_UNPACKERS: dict[str, Unpack] = {"gzip": _gunzip, "deflate": _inflate}
