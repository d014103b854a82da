"""Reads the bytes of a request as JSON, and says what is wrong with them if they are not. Pure."""

from typing import Any

import orjson

from apps.common import json_bounds
from apps.common.errors import InvalidRequest
from apps.common.lenient_json import BYTE_ORDER_MARK, has_long_integers, loads_exactly

LARGE = 2**16  # bytes, from which on a body is parsed in a thread
_INEXACT = 2**18  # bytes, of which reading exactly would keep others waiting


def loads(raw: bytes) -> Any:
    """The value, of any type, with integers of any size in all but large bodies.

    Raises InvalidRequest or BodyTooLarge, also for what is deeper or has more values than JSON may have here.
    """
    if len(raw) > LARGE or raw.count(b"{") + raw.count(b"[") > json_bounds.MAX_DEPTH:
        json_bounds.check(raw)
    data = raw.removeprefix(BYTE_ORDER_MARK)
    try:
        value = orjson.loads(data)
        return loads_exactly(data) if len(data) < _INEXACT and has_long_integers(data) else value
    except orjson.JSONDecodeError as error:
        raise _mistake(raw, error) from error


def _mistake(raw: bytes, error: orjson.JSONDecodeError) -> InvalidRequest:
    try:
        raw.decode()
        is_text = b"\0" not in raw  # which UTF-16 has beside every letter of English
    except UnicodeDecodeError:
        is_text = False
    if is_text:
        return InvalidRequest(
            "invalid_json", f"The body is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        )
    return InvalidRequest(
        "invalid_encoding",
        f"The body is not UTF-8{_guess(raw)}. Send JSON as UTF-8. If it is compressed, Content-Encoding must say how.",
    )


def _guess(raw: bytes) -> str:
    """What the bytes look like instead."""
    if raw.startswith(b"\x1f\x8b"):
        return " but gzip"
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in raw[:4]:
        return " but UTF-16 or UTF-32"
    try:
        raw.decode("cp1252")
    except UnicodeDecodeError:
        return ""
    return " but looks like Latin-1 or Windows-1252"
