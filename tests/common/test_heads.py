"""A request head is read as what it was made of, or not made."""

from typing import Any

from httptools import HttpRequestParser
from hypothesis import example, given
from hypothesis import strategies as st

from apps.common.heads import FRAMING, Pairs, raw_head

VISIBLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20).map(str.encode)
ODD = st.binary(max_size=20) | st.sampled_from(
    [b"\r\n", b"a\r\nb: c", b"\n", b"\0", b" ", b"\t", b"a b", b":", b"\x7f"]
)
NAMES = st.sampled_from([b"x-a", b"host", b"cookie", b"content-length", b"transfer-encoding", b"connection"])


class Read:
    """What the parser of most servers in Python takes it for."""

    def __init__(self, head: bytes) -> None:
        self.target, self.pairs = b"", list[tuple[bytes, bytes]]()
        self.count = 0
        parser: Any = HttpRequestParser(self)
        parser.feed_data(head)
        self.method = parser.get_method()

    def on_message_begin(self) -> None:
        self.count += 1

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.pairs.append((name, value))


@given(
    target=VISIBLE.map(b"/".__add__) | ODD,
    pairs=st.lists(st.tuples(NAMES | ODD, VISIBLE | ODD), max_size=5),
    length=st.none() | st.integers(0, 10),
)
@example(target=b"/", pairs=[(b"x-a", b"b\r\nx-c: d")], length=0)
@example(target=b"/ HTTP/1.1\r\nx: y\r\n\r\nGET /", pairs=[], length=0)
def test_a_raw_head_is_read_as_one_request_with_these_headers(target: bytes, pairs: Pairs, length: int | None) -> None:
    try:
        head = raw_head("POST", target, pairs, authority="a.example", length=length)
    except ValueError:
        return

    framing = (b"transfer-encoding", b"chunked") if length is None else (b"content-length", b"%d" % length)
    expected = [pair for pair in pairs if pair[0] not in FRAMING]
    if not any(name == b"host" for name, _ in pairs):
        expected.insert(0, (b"host", b"a.example"))

    lines = head.split(b"\r\n")
    assert lines == [b"POST %b HTTP/1.1" % target, *(b"%b: %b" % pair for pair in [*expected, framing]), b"", b""]


@given(target=VISIBLE.map(b"/".__add__), pairs=st.lists(st.tuples(st.just(b"x-a"), VISIBLE), max_size=5))
def test_a_server_reads_it_as_it_was_meant(target: bytes, pairs: Pairs) -> None:
    read = Read(raw_head("POST", target, pairs, authority="a.example", length=0))

    assert (read.count, read.method, read.target) == (1, b"POST", target)
    assert read.pairs == [(b"host", b"a.example"), *pairs, (b"content-length", b"0")]
