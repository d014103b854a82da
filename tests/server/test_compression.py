"""Bodies that clients compressed: unpacked within the limit, however much a few bytes may become."""

import gzip
import time
import zlib

import pytest

from apps.common.errors import BodyTooLarge, InvalidRequest, UnsupportedCoding
from gateway_project.edge.compression import unpacked, unpacker

TEXT = b'{"model": "m", "messages": []}' * 100
LIMIT = 10 * 2**20


def raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


def plain(packed: bytes, coding: str, *, limit: int = LIMIT) -> bytes:
    unpack = unpacker(coding)
    assert unpack is not None
    return unpacked(packed, unpack=unpack, limit=limit)


PACKED: dict[str, tuple[str, bytes]] = {
    "gzip": ("gzip", gzip.compress(TEXT)),
    "x-gzip": ("x-gzip", gzip.compress(TEXT)),
    "in capitals": (" GZIP ", gzip.compress(TEXT)),
    "beside the identity": ("identity, gzip", gzip.compress(TEXT)),
    "several members": ("gzip", gzip.compress(TEXT[:50]) + gzip.compress(b"") + gzip.compress(TEXT[50:])),
    "deflate with its head": ("deflate", zlib.compress(TEXT)),
    "deflate without": ("deflate", raw_deflate(TEXT)),
    "exactly the limit": ("gzip", gzip.compress(TEXT)),
}


@pytest.mark.parametrize(("coding", "packed"), PACKED.values(), ids=PACKED.keys())
def test_what_is_said_is_done(coding: str, packed: bytes) -> None:
    assert plain(packed, coding, limit=len(TEXT)) == TEXT


@pytest.mark.parametrize("coding", ["", "identity", " , "])
def test_what_is_not_compressed_stays_as_it_is(coding: str) -> None:
    assert unpacker(coding) is None


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip, gzip", "gzip, br", "x", "gzip;q=1"])
def test_other_codings_are_told_which_are_taken(coding: str) -> None:
    with pytest.raises(UnsupportedCoding) as caught:
        unpacker(coding)

    assert (caught.value.status, caught.value.headers["accept-encoding"]) == (415, "gzip, deflate")


BROKEN: dict[str, tuple[str, bytes]] = {
    "no gzip": ("gzip", TEXT),
    "gzip that is cut off": ("gzip", gzip.compress(TEXT)[:-9]),
    "a wrong length": ("gzip", gzip.compress(TEXT)[:-4] + b"\0\0\0\1"),
    "something behind it": ("gzip", gzip.compress(TEXT) + b"behind"),
    "no deflate": ("deflate", TEXT),
    "deflate that is cut off": ("deflate", zlib.compress(TEXT)[:-1]),
    "gzip as deflate": ("deflate", gzip.compress(TEXT)),
}


@pytest.mark.parametrize(("coding", "packed"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_broken_is_refused(coding: str, packed: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        plain(packed, coding)

    assert caught.value.code == "invalid_compression"


BOMBS: dict[str, tuple[str, bytes]] = {
    "gzip": ("gzip", gzip.compress(b" " * 24 * 2**20)),
    "deflate": ("deflate", zlib.compress(b" " * 24 * 2**20)),
    "one more than the limit": ("gzip", gzip.compress(b" " * (LIMIT + 1))),
    "many members": ("gzip", gzip.compress(b" " * 2**20) * 20),
}


@pytest.mark.parametrize(("coding", "packed"), BOMBS.values(), ids=BOMBS.keys())
def test_a_bomb_is_let_go_when_it_exceeds_the_limit(coding: str, packed: bytes) -> None:
    started = time.thread_time()

    with pytest.raises(BodyTooLarge):
        plain(packed, coding)

    assert time.thread_time() - started < 1.0


def test_members_are_not_endless() -> None:
    with pytest.raises(InvalidRequest):
        plain(gzip.compress(b"") * 1_000_000, "gzip")


def test_a_head_of_any_length_takes_no_time() -> None:
    """A file of gzip may begin with a name and a comment, which end with a zero, if they end."""
    started = time.thread_time()

    with pytest.raises(InvalidRequest):
        plain(b"\x1f\x8b\x08\x18" + bytes(6) + b"a" * 10 * 2**20, "gzip")

    assert time.thread_time() - started < 1.0


def test_members_of_nothing_take_no_time() -> None:
    started = time.thread_time()

    assert plain(gzip.compress(b"") * 20, "gzip") == b""

    assert time.thread_time() - started < 3.0
