"""A response means the same however its bytes are cut on the way."""

import asyncio
import itertools
import socket
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from apps.common.clients import ConnectionBroken
from apps.common.connections import Connection
from tests.common.relay.test_responses import AGAIN, BROKEN_BODIES, BROKEN_HEADS, NOT_AGAIN

Outcome = tuple[int, dict[str, str], bytes, bool, bool]


class Transport:
    """As much of one as a connection uses."""

    def __init__(self) -> None:
        self.is_aborted = False

    def writelines(self, pieces: tuple[bytes, ...]) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.is_aborted

    def abort(self) -> None:
        self.is_aborted = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


async def outcome(wire: bytes, cuts: list[int], *, method: str, is_greedy: bool) -> Outcome:
    """Status, headers, body, whether it was whole, and whether the connection can serve again."""
    freed: list[bool] = []
    transport: Any = Transport()
    with socket.socket() as opened:
        connection = Connection(opened, lambda _, is_reusable: freed.append(is_reusable))
        connection.connection_made(transport)
        asking = asyncio.create_task(relay(connection, method, is_greedy=is_greedy))
        await asyncio.sleep(0)
        edges = [0, *sorted(cuts), len(wire)]
        for start, end in itertools.pairwise(edges):
            if start < end and not transport.is_aborted:
                connection.data_received(wire[start:end])
                await asyncio.sleep(0)
        connection.eof_received()
        status, headers, body, is_whole = await asking
    assert len(freed) == 1
    return status, headers, body, is_whole, freed[0]


async def relay(connection: Connection, method: str, *, is_greedy: bool) -> tuple[int, dict[str, str], bytes, bool]:
    """Read at once whatever comes, or only when all has come."""
    try:
        response = await connection.ask(b"", b"", is_head=method == "HEAD")
    except ConnectionBroken:
        return 0, {}, b"", False
    body = b""
    try:
        while not is_greedy and not response.is_over:  # noqa: ASYNC110
            await asyncio.sleep(0)
        while block := await response.read():
            body += block
        return response.status, dict(response.headers), body, True
    except ConnectionBroken:
        return response.status, dict(response.headers), body, False


WIRES: list[tuple[str, bytes]] = [
    *((parameters.values[0].decode(), parameters.values[1]) for parameters in [*AGAIN, *NOT_AGAIN]),  # type: ignore[union-attr]
    *(("POST", parameters.values[0]) for parameters in [*BROKEN_HEADS, *BROKEN_BODIES]),  # type: ignore[misc]
    ("POST", b"HTTP/1.1 200 OK\r\n\r\nhello, to the end"),
]


def cuts_of(length: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, length), max_size=20)


@given(st.data(), st.sampled_from(WIRES), st.booleans())
def test_every_response_that_is_tested_elsewhere(data: st.DataObject, form: tuple[str, bytes], is_greedy: bool) -> None:
    method, wire = form
    cuts = data.draw(cuts_of(len(wire)))

    async def both() -> list[Outcome]:
        return [
            await outcome(wire, cuts, method=method, is_greedy=is_greedy),
            await outcome(wire, [], method=method, is_greedy=False),
        ]

    cut, whole = asyncio.run(both())

    # Junk that comes after the exchange is over finds a connection that serves nobody, and closes it.
    assert cut[:4] == whole[:4]


TOKENS = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12).map(lambda name: f"x-{name}")
VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30)
PIECES = st.lists(st.binary(min_size=1, max_size=200), max_size=8)


def chunk(piece: bytes, extension: bytes) -> bytes:
    return b"%x%s\r\n%s\r\n" % (len(piece), extension, piece)


@given(
    headers=st.dictionaries(TOKENS, VALUES, max_size=5),
    pieces=PIECES,
    form=st.sampled_from(["length", "chunked", "end"]),
    extension=st.sampled_from([b"", b";a", b';a="b;c"']),
    trailers=st.sampled_from([b"", b"x-sum: 1\r\n"]),
    interim=st.integers(0, 2),
    data=st.data(),
)
def test_every_response_that_is_well_formed(
    headers: dict[str, str],
    pieces: list[bytes],
    form: str,
    extension: bytes,
    trailers: bytes,
    interim: int,
    data: st.DataObject,
) -> None:
    body = b"".join(pieces)
    framing = {
        "length": b"content-length: %d\r\n\r\n%s" % (len(body), body),
        "chunked": b"transfer-encoding: chunked\r\n\r\n%s0%s\r\n%s\r\n"
        % (b"".join(chunk(piece, extension) for piece in pieces), extension, trailers),
        "end": b"\r\n" + body,
    }[form]
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
    wire = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" * interim + b"HTTP/1.1 201 Created\r\n" + lines + framing
    cuts = data.draw(cuts_of(len(wire)))

    status, arrived, read, is_whole, is_reusable = asyncio.run(outcome(wire, cuts, method="POST", is_greedy=True))

    assert (status, read, is_whole, is_reusable) == (201, body, True, form != "end")
    assert {name: arrived[name] for name in headers} == headers


def test_byte_by_byte() -> None:
    for method, wire in WIRES:
        if len(wire) < 1_000:
            cuts = list(range(len(wire)))
            cut = asyncio.run(outcome(wire, cuts, method=method, is_greedy=True))
            assert cut[:4] == asyncio.run(outcome(wire, [], method=method, is_greedy=False))[:4], wire
