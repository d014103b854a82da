"""JSON that strict readers refuse: its words are read, and what is written of it is legal."""

import contextlib
import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.common.lenient_json import dumps, loads, loads_exactly

READ: list[tuple[bytes, Any]] = [
    (b'{"a": 1}', {"a": 1}),
    (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
    (rb'"cut \ud83d"', "cut \ud83d"),
    (rb'"\ude00 on"', "\ude00 on"),
    (rb'"\ud83d\ude00"', "😀"),
    (rb'"\ud83dx\ude00"', "\ud83dx\ude00"),
    (b'"caf\xe9"', "caf\ufffd"),
    (b"[NaN, Infinity, -Infinity, 1e999, 1.5]", [None, None, None, None, 1.5]),
    (b'"two\nlines\tand a tab"', "two\nlines\tand a tab"),
    (b'{"a": 1, "a": 2}', {"a": 2}),
    (b'{"a": NaN, "a": 2}', {"a": 2}),
]


@pytest.mark.parametrize(("data", "value"), READ, ids=[repr(data) for data, _ in READ])
def test_it_is_read_as_clients_read_it(data: bytes, value: Any) -> None:
    assert loads(data) == loads_exactly(data) == value


@pytest.mark.parametrize("data", [b"", b" ", b"{", b"ping", b"'a'", b'{"a": }', b"[" * 100_000, b"1" * 5000])
def test_what_nobody_can_read_is_an_error_of_one_kind(data: bytes) -> None:
    with pytest.raises(ValueError):
        loads(data)


@pytest.mark.parametrize("number", [2**63, 2**64 - 1, 2**64, 12345678901234567890123, -(10**30)])
def test_integers_of_any_size_stay_what_they_are(number: int) -> None:
    data = b'{"n":%d}' % number

    assert dumps(loads_exactly(data)) == data


def test_halves_of_pairs_are_written_as_replacement_characters() -> None:
    assert orjson.loads(dumps({"a": "x\ud83dy", "\ude00": 2**70})) == {"a": "x\ufffdy", "\ufffd": float(2**70)}


def test_what_is_no_number_is_written_as_null() -> None:
    assert dumps(loads(b'{"a": NaN, "b": 123456789012345678901234567890, "c": 1e999}')).startswith(
        b'{"a":null,"b":1234'
    )


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(), max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(value=VALUES)
def test_whatever_python_writes_becomes_legal(value: Any) -> None:
    written = dumps(loads_exactly(json.dumps(value).encode()))

    written.decode()
    assert json.loads(written, parse_constant=lambda name: pytest.fail(name)) is not ...


@given(data=st.binary(max_size=30) | st.text(max_size=30).map(lambda text: f'"{text}"'.encode()))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        value = loads(data)
        assert orjson.loads(dumps(value)) is not ...
