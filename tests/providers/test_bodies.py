"""The body of an answer, in whatever coding and under whatever label it comes."""

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable, Iterable

import pytest

from apps.common.clients import ConnectionBroken
from apps.providers.adapters import bodies
from apps.providers.adapters.bodies import MAX_DECODED, MAX_ERROR_BYTES, begun
from apps.providers.adapters.protocol import UpstreamBroken

STREAM = 'data: {"choices": [{"delta": {"content": "päivää"}}]}\n\ndata: [DONE]\n\n'.encode()
PLAIN = '{"choices": [{"message": {"content": "päivää"}}]}'.encode()
ERROR = {"error": {"message": "my private essay", "code": 429}}


class Blocks:
    """A body that arrives in these blocks, and then breaks if it is to."""

    def __init__(self, blocks: Iterable[bytes], *, breaks: bool = False) -> None:
        self._blocks = iter(blocks)
        self._breaks = breaks

    async def read(self) -> bytes:
        block = next(self._blocks, b"")
        if not block and self._breaks:
            raise ConnectionBroken("cut")
        return block


def cut(body: bytes, size: int) -> Blocks:
    return Blocks(body[start : start + size] for start in range(0, len(body), size))


async def whole(body: bodies.AnswerBody, coding: str = "", *, is_stream: bool) -> bytes:
    first, rest = await begun(body, coding, is_stream=is_stream)
    blocks = [first]
    while block := await rest.read():
        blocks.append(block)
    return b"".join(blocks)


def raw_deflate(body: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(body) + compressor.flush()


def a_file_for_each_event(body: bytes) -> bytes:
    return b"".join(gzip.compress(event + b"\n\n") for event in body.split(b"\n\n") if event) if body else b""


CODINGS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("", bytes),
    ("identity", bytes),
    ("gzip", gzip.compress),
    ("X-GZip", gzip.compress),
    ("deflate", zlib.compress),
    ("deflate", raw_deflate),
    ("", gzip.compress),  # without saying so
    ("gzip", bytes),  # only saying so
    ("deflate", bytes),
    ("gzip", lambda body: gzip.compress(body)[:-8]),  # without its end
    ("gzip", lambda body: gzip.compress(body) + b"\0\0"),  # and more than that
    ("", lambda body: b"\xef\xbb\xbf" + body),
    ("gzip", lambda body: gzip.compress(b"\xef\xbb\xbf" + body)),
]


@pytest.mark.parametrize(("coding", "encode"), CODINGS)
@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@pytest.mark.parametrize("is_stream", [True, False], ids=["stream", "plain"])
async def test_every_coding_is_read(coding: str, encode: Callable[[bytes], bytes], size: int, is_stream: bool) -> None:
    body = STREAM if is_stream else PLAIN

    assert await whole(cut(encode(body), size), coding, is_stream=is_stream) == body


async def test_events_that_are_compressed_one_by_one_are_read() -> None:
    assert await whole(cut(a_file_for_each_event(STREAM), 5), "gzip", is_stream=True) == STREAM
    assert await whole(Blocks([a_file_for_each_event(STREAM)]), "gzip", is_stream=True) == STREAM


async def test_events_arrive_when_they_are_sent() -> None:
    compressor = zlib.compressobj(wbits=31)
    first, *_ = STREAM.split(b"\n\n")
    sent = compressor.compress(first + b"\n\n") + compressor.flush(zlib.Z_SYNC_FLUSH)

    block, _ = await begun(Blocks([sent]), "gzip", is_stream=True)

    assert block == first + b"\n\n"


@pytest.mark.parametrize("blank", [b"", b"\n", b"\r\n\r\n", b"  \n" * 9])
@pytest.mark.parametrize("size", [1, 4, 100])
async def test_blank_lines_before_an_answer_are_left_out(blank: bytes, size: int) -> None:
    answer = await whole(cut(blank + PLAIN, size), is_stream=False)

    assert json.loads(answer) == json.loads(PLAIN)


@pytest.mark.parametrize("body", [b"", b"\n", b"\n\n\n\n", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("is_stream", [True, False], ids=["stream", "plain"])
async def test_a_body_that_is_blank_is_empty(body: bytes, is_stream: bool) -> None:
    assert await whole(Blocks([body]), is_stream=is_stream) == b""


@pytest.mark.parametrize("payload", [ERROR, [ERROR]])
@pytest.mark.parametrize("size", [1, 1000])
async def test_an_error_instead_of_a_stream_is_handed_on(payload: object, size: int) -> None:
    with pytest.raises(UpstreamBroken) as caught:
        await begun(cut(json.dumps(payload).encode(), size), "", is_stream=True)

    assert caught.value.error == payload
    assert "essay" not in str(caught.value)


NO_STREAMS = [PLAIN, b"{", b"<html></html>", b" \n<!DOCTYPE html>"]


@pytest.mark.parametrize("body", NO_STREAMS)
async def test_what_cannot_be_a_stream_is_none(body: bytes) -> None:
    with pytest.raises(UpstreamBroken) as caught:
        await begun(Blocks([body]), "", is_stream=True)

    assert caught.value.error is None


async def test_what_decodes_to_far_more_than_it_is_is_refused() -> None:
    bomb = gzip.compress(b"data: " + b"x" * 4 * MAX_DECODED)

    with pytest.raises(UpstreamBroken, match="larger than"):
        await begun(Blocks([bomb]), "gzip", is_stream=True)


async def test_many_blocks_may_decode_to_much_together() -> None:
    body = b"data: " + b"x" * 2 * MAX_DECODED
    packed = gzip.compress(body)

    assert await whole(cut(packed, len(packed) // 4), "gzip", is_stream=True) == body


async def test_damaged_data_is_broken() -> None:
    packed = bytearray(gzip.compress(STREAM * 100))
    packed[40:60] = b"\xff" * 20

    with pytest.raises(UpstreamBroken, match="damaged"):
        await whole(Blocks([bytes(packed)]), "gzip", is_stream=True)


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, br", "gzip,gzip"])
def test_other_codings_cannot_be_read(coding: str) -> None:
    assert not bodies.can_read(coding)


# Of an error


@pytest.mark.parametrize(("coding", "encode"), CODINGS[:10])
async def test_of_an_error_the_beginning_is_read(coding: str, encode: Callable[[bytes], bytes]) -> None:
    assert await bodies.beginning(Blocks([encode(PLAIN)]), coding, seconds=1) == PLAIN


@pytest.mark.parametrize(
    ("body", "read"),
    [
        (Blocks([b"half"], breaks=True), b"half"),
        (Blocks([], breaks=True), b""),
        (Blocks([gzip.compress(b"half")], breaks=True), b"half"),
        (Blocks([b"\x1f\x8bnot that"]), b""),
        (Blocks([b"x" * 1000] * 1000), b"x" * MAX_ERROR_BYTES),
        (Blocks([gzip.compress(b"x" * 2 * MAX_DECODED)]), b""),
    ],
)
async def test_whatever_goes_wrong_with_it(body: Blocks, read: bytes) -> None:
    assert await bodies.beginning(body, "", seconds=1) == read


async def test_an_error_that_does_not_end_is_not_waited_for() -> None:
    class Slow(Blocks):
        async def read(self) -> bytes:
            return await super().read() or await asyncio.sleep(10, b"")

    assert await bodies.beginning(Slow([b"half"]), "", seconds=0.05) == b"half"
