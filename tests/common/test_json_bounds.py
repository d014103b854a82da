"""What a body would become is known before it is parsed: how many values, how deep, and how slow to parse."""

import json
import time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.common import json_bounds
from apps.common.errors import GatewayError
from apps.common.json_bounds import MAX_DEPTH, MAX_SLOW_BYTES, MAX_VALUES, PIECE, check

M = 2**20


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


def listed(value: bytes, number: int) -> bytes:
    return b"[" + b",".join([value] * number) + b"]"


PASSES = {
    "the deepest": nested(MAX_DEPTH),
    "deep again and again": listed(nested(MAX_DEPTH - 1), 500),
    "as many values as may be": listed(b"[]", MAX_VALUES // 2 - 1),
    "a picture": b'{"url": "data:image/png;base64,' + b"QUJD" * (7 * M) + b'"}',
    "a picture as PHP writes it": b'{"url": "' + rb"AAAABBBBCCCCDDDD\/" * M + b'"}',
    "brackets in a text": b'{"a": "' + b"[{," * M + b'"}',
    "brackets behind an escaped quote": b'["' + rb"\"" + b"[" * 300 + b'"]',
    "brackets behind escaped backslashes": b'["' + rb"\\\"" + b"[" * 300 + b'"]',
    "quotes and backslashes alone": b'["' + rb"\\\"" * 200_000 + b'"]',
    "a text that is not ASCII": b'["' + "ä[".encode() * M + b'"]',
}


@pytest.mark.parametrize("raw", PASSES.values(), ids=PASSES.keys())
def test_it_lets_pass_what_may_be_sent(raw: bytes) -> None:
    orjson.loads(raw)

    check(raw)


REFUSED = {
    "a level too many": (nested(MAX_DEPTH + 1), "too_deep"),
    "a million levels": (b"[" * M, "too_deep"),
    "a level too many behind a text": (b'["' + rb"\\" + b'",' + nested(MAX_DEPTH) + b"]", "too_deep"),
    "a value too many": (listed(b"[]", MAX_VALUES // 2 + 1), "too_many_values"),
    "many names": (b"{" + b",".join([b'"a":1'] * 110_000) + b"}", "too_many_values"),
    "nothing but quotes": (b'"' * (28 * M), "too_many_values"),
    "one number": (b"9" * (28 * M), "request_too_large"),
    "nothing but blanks": (b" " * (28 * M), "request_too_large"),
    "nothing but escapes": (b'"' + rb"\n" * (14 * M) + b'"', "request_too_large"),
    "nothing but backslashes": (b'"' + b"\\" * (28 * M) + b'"', "request_too_large"),
}


@pytest.mark.parametrize(("raw", "code"), REFUSED.values(), ids=REFUSED.keys())
def test_it_refuses_what_would_take_too_long(raw: bytes, code: str) -> None:
    with pytest.raises(GatewayError) as caught:
        check(raw)

    assert caught.value.code == code


@pytest.mark.parametrize("offset", range(4))
def test_an_escape_may_lie_across_two_pieces(offset: int) -> None:
    text = b'["' + b"a" * (PIECE - 4 + offset) + rb"\\\"" + b"[" * 300 + b'"]'

    check(text)

    with pytest.raises(GatewayError):
        check(text[:-2] + b'",' + nested(MAX_DEPTH) + b"]")


def depth_of(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return max(map(depth_of, inner), default=0) + isinstance(value, dict | list)


def values_of(value: Any) -> int:
    """Values within a value, and names."""
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return len(inner) + isinstance(value, dict) * len(inner) + sum(map(values_of, inner))


TEXTS = st.text(st.sampled_from('"\\[]{},:a\u00e9'), max_size=6)
JSON = st.recursive(
    st.none() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@given(JSON, st.integers(1, 12), st.booleans())
def test_it_counts_as_a_parser_does(value: Any, piece: int, is_ascii: bool) -> None:
    raw = json.dumps(value, ensure_ascii=is_ascii).encode()
    look = json_bounds.Look()

    deepest = 0
    for start in range(0, len(raw), piece):
        look.at(raw[start : start + piece])
        deepest = max(deepest, look.depth)

    assert look.depth == 0
    assert values_of(value) <= look.values <= 2 * values_of(value) + raw.count(b"[") + raw.count(b"{")
    assert deepest <= depth_of(value)


def test_a_look_is_fast() -> None:
    """Linear in the bytes, at a small part of what parsing costs a whole server."""
    raw = b'{"messages": [' + listed(json.dumps({"content": 'He said: "yes"\n' * 60}).encode(), 5_000) + b"]}"

    began = time.process_time()
    check(raw)

    assert time.process_time() - began < 0.5
    assert len(raw) > 4 * M
    assert MAX_SLOW_BYTES < 28 * M
