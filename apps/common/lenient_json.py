"""Reads JSON as leniently as clients do, and writes it so that the strictest can read it. Pure.

A fast, strict reader comes first. What it refuses may still have words that JavaScript or Python would read: half of a
surrogate pair, bytes that are no UTF-8, NaN, a line break within a string.
"""

import json
import math
import re
from typing import Any

import orjson

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_HALF = re.compile("[\ud800-\udfff]")
_DIGITS = bytes(ord("0" if chr(byte) in "0123456789" else " ") for byte in range(256))
_LONG = b"0" * 19  # digits of an integer that the strict reader may make a float of
_TOO_DEEP = "The value is nested too deeply."


def loads(data: bytes) -> Any:
    """The value. Strings may contain halves of surrogate pairs. Raises ValueError."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return _lenient(data)


def loads_exactly(data: bytes) -> Any:
    """The same, but with integers of any size, for a value that is written again."""
    return _lenient(data) if has_long_integers(data) else loads(data)


def has_long_integers(data: bytes) -> bool:
    """Whether there may be an integer beyond 64 bits. A search by a pattern would take ten times as long."""
    return _LONG in data.translate(_DIGITS)


def dumps(value: Any) -> bytes:
    """Legal JSON in UTF-8: U+FFFD for halves of surrogate pairs, null for what is no number. Raises ValueError."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return _slowly(value)


def _slowly(value: Any) -> bytes:
    try:
        return without_halves(json.dumps(value, ensure_ascii=False, separators=(",", ":"))).encode()
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error


def without_halves(text: str) -> str:
    """The text with U+FFFD for each half of a surrogate pair."""
    return _HALF.sub("\ufffd", text)


def _lenient(data: bytes) -> Any:
    text = data.removeprefix(BYTE_ORDER_MARK).decode(errors="replace")
    try:
        return json.loads(text, strict=False, parse_float=_finite, parse_constant=_nothing)
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def _nothing(_: str) -> None:
    return None
