"""What a response means: where it ends, and whether its connection serves again."""

import pytest

from apps.common.clients import ConnectionBroken, RelayClient
from apps.common.responses import MAX_HEADER_BYTES, MAX_HEADERS
from tests.common.relay.raw import CHUNKED, HELLO, OK, ask, fetch, read, replies, replies_once, serving

AGAIN = [
    pytest.param(b"POST", HELLO, b"hello", id="by its length"),
    pytest.param(b"POST", OK + b"Content-Length: 0\r\n\r\n", b"", id="empty"),
    pytest.param(b"POST", CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", b"hello", id="chunked"),
    pytest.param(b"POST", CHUNKED + b'2;a=b;c="d"\r\nhe\r\n3;x\r\nllo\r\n0;y=z\r\n\r\n', b"hello", id="extensions"),
    pytest.param(b"POST", CHUNKED + b"5\r\nhello\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n", b"hello", id="trailers"),
    pytest.param(b"POST", OK + b"Transfer-Encoding: Chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", b"x", id="in other letters"),
    pytest.param(b"POST", b"HTTP/1.1 204 No Content\r\n\r\n", b"", id="204"),
    pytest.param(b"GET", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 10\r\n\r\n", b"", id="304"),
    pytest.param(b"POST", b"HTTP/1.1 100 Continue\r\n\r\n" + HELLO, b"hello", id="100 first"),
    pytest.param(
        b"POST",
        b"HTTP/1.1 102 Processing\r\ncontent-length: 9\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + HELLO,
        b"hello",
        id="102 and 103 first",
    ),
    pytest.param(
        b"POST", b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 1\r\n\r\nx", b"x", id="1.0 that stays"
    ),
    pytest.param(b"POST", b"HTTP/1.1 200\r\ncontent-length: 1\r\n\r\nx", b"x", id="no reason"),
]

NOT_AGAIN = [
    pytest.param(b"POST", OK + b"connection: close\r\ncontent-length: 1\r\n\r\nx", b"x", id="connection: close"),
    pytest.param(b"POST", OK + b"connection: x, Close\r\ncontent-length: 1\r\n\r\nx", b"x", id="close among others"),
    pytest.param(b"POST", b"HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\nx", b"x", id="1.0"),
    pytest.param(b"HEAD", OK + b"content-length: 5\r\n\r\n", b"", id="HEAD"),
    pytest.param(b"HEAD", HELLO, b"", id="HEAD with a body all the same"),
    pytest.param(b"HEAD", OK + b"transfer-encoding: chunked\r\n\r\n", b"", id="HEAD, chunked"),
    pytest.param(b"POST", HELLO + b"more", b"hello", id="junk behind it"),
    pytest.param(b"POST", HELLO + b"HTTP/1.1 2", b"hello", id="the beginning of another"),
    pytest.param(b"POST", HELLO + OK + b"content-length: 4\r\n\r\nevil", b"hello", id="another behind it"),
    pytest.param(b"POST", CHUNKED + b"5\r\nhello\r\n0\r\n\r\nmore", b"hello", id="junk behind chunks"),
]


@pytest.mark.parametrize(("method", "wire", "body"), AGAIN)
async def test_a_response_that_ends_by_itself_leaves_a_connection_that_serves_again(
    client: RelayClient, method: bytes, wire: bytes, body: bytes
) -> None:
    async with serving(replies(wire)) as server:
        bodies = [await fetch(client, server.url(), method.decode()) for _ in range(3)]

    assert bodies == [body] * 3
    assert server.connections == 1


@pytest.mark.parametrize(("method", "wire", "body"), NOT_AGAIN)
async def test_a_connection_of_which_nobody_knows_where_it_stands_is_not_used_again(
    client: RelayClient, method: bytes, wire: bytes, body: bytes
) -> None:
    async with serving(replies(wire)) as server:
        bodies = [await fetch(client, server.url(), method.decode()) for _ in range(2)]

    assert bodies == [body] * 2
    assert server.connections == 2


async def test_a_body_may_end_with_the_connection(client: RelayClient) -> None:
    async with serving(replies_once(OK + b"\r\nhel", b"lo")) as server:
        bodies = [await fetch(client, server.url()) for _ in range(2)]

    assert bodies == [b"hello"] * 2
    assert server.connections == 2


async def test_headers_are_named_in_lower_case_and_trimmed_and_the_first_counts(client: RelayClient) -> None:
    wire = OK + b"X-Kind:  teapot \t\r\nX-Kind: kettle\r\nX-Nothing:\r\nX-Odd: \xe9\r\ncontent-length: 0\r\n\r\n"
    async with serving(replies(wire)) as server:
        response = await ask(client, server.url())
        response.close()

    assert response.headers == {"x-kind": "teapot", "x-nothing": "", "x-odd": "é", "content-length": "0"}


async def test_interim_headers_and_trailers_are_not_headers(client: RelayClient) -> None:
    wire = b"HTTP/1.1 103 Early Hints\r\nx-early: 1\r\n\r\n" + CHUNKED + b"0\r\nx-late: 1\r\n\r\n"
    async with serving(replies(wire)) as server:
        response = await ask(client, server.url())
        await read(response)

    assert (response.status, response.headers) == (200, {"transfer-encoding": "chunked"})


BROKEN_HEADS = [
    pytest.param(b"", id="nothing"),
    pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", id="another protocol"),
    pytest.param(b"<html>", id="HTTP/0.9"),
    pytest.param(b"HTTP/1.1 2x0 OK\r\n\r\n", id="letters in the status"),
    pytest.param(b"HTTP/1.1 99 OK\r\n\r\n", id="two digits"),
    pytest.param(b"HTTP/1.1 600 OK\r\ncontent-length: 0\r\n\r\n", id="a status that no server can pass on"),
    pytest.param(b"HTTP/1.1 000 OK\r\ncontent-length: 0\r\n\r\n", id="no status at all"),
    pytest.param(b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nraw", id="an upgrade"),
    pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n", id="nothing after 100"),
    pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000, id="nothing but 100"),
    pytest.param(b"HTTP/1.1 200 O", id="an end in the status line"),
    pytest.param(OK + b"content-le", id="an end in a name"),
    pytest.param(OK + b"content-length: 5\r\n", id="an end before the blank line"),
    pytest.param(OK + b"x: a\r\n b\r\n\r\n", id="a folded header"),
    pytest.param(OK + b"x : a\r\n\r\n", id="a space before the colon"),
    pytest.param(OK + b"x: a\x00b\r\n\r\n", id="NUL"),
    pytest.param(OK + b"content-length: 5\r\ncontent-length: 5\r\n\r\nhello", id="two lengths"),
    pytest.param(OK + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n", id="length and chunks"),
    pytest.param(OK + b"transfer-encoding: gzip\r\n\r\nhello", id="a coding that does not say where it ends"),
    pytest.param(OK + b"transfer-encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", id="a coding beside chunked"),
    pytest.param(
        OK + b"transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", id="a coding of its own"
    ),
    pytest.param(OK + b"content-length: +5\r\n\r\nhello", id="a signed length"),
    pytest.param(OK + b"content-length: " + b"9" * 30 + b"\r\n\r\nhello", id="a length beyond bounds"),
    pytest.param(OK + b"x: y\r\n" * (MAX_HEADERS + 1) + b"\r\n", id="too many headers"),
    pytest.param(OK + b"x: " + b"y" * MAX_HEADER_BYTES + b"\r\n\r\n", id="too large headers"),
    pytest.param(OK + b"x: " + b"y" * 3 * MAX_HEADER_BYTES, id="a header without end"),
    pytest.param(b"HTTP/1.1 200 " + b"y" * 3 * MAX_HEADER_BYTES, id="a status line without end"),
]


@pytest.mark.parametrize("wire", BROKEN_HEADS)
async def test_a_head_that_cannot_be_read_is_connection_broken(client: RelayClient, wire: bytes) -> None:
    async with serving(replies_once(wire)) as server:
        with pytest.raises(ConnectionBroken):
            await ask(client, server.url())

    assert client.open_connections() == 0


BROKEN_BODIES = [
    pytest.param(OK + b"content-length: 6\r\n\r\nhello", id="an end in the body"),
    pytest.param(CHUNKED, id="an end before the first chunk"),
    pytest.param(CHUNKED + b"5\r\nhel", id="an end in a chunk"),
    pytest.param(CHUNKED + b"5\r\nhello\r\n", id="an end between chunks"),
    pytest.param(CHUNKED + b"5\r\nhello\r\n0\r\n", id="an end before the last line"),
    pytest.param(CHUNKED + b"5\r\nhello\r\nzz\r\n", id="a chunk without a size"),
    pytest.param(CHUNKED + b"4\r\nhello\r\n", id="a chunk that is longer than its size"),
    pytest.param(CHUNKED + b"fffffffffffffffff\r\n", id="a size beyond bounds"),
    pytest.param(CHUNKED + b"5\nhello\n0\n\n", id="bare line feeds"),
    pytest.param(CHUNKED + b"5;" + b"x" * 3 * MAX_HEADER_BYTES, id="an extension without end"),
    pytest.param(CHUNKED + b"0\r\n" + b"x: y\r\n" * (MAX_HEADERS + 1) + b"\r\n", id="too many trailers"),
    pytest.param(CHUNKED + b"0\r\nx: " + b"y" * 3 * MAX_HEADER_BYTES, id="a trailer without end"),
]


@pytest.mark.parametrize("wire", BROKEN_BODIES)
async def test_a_body_without_its_end_is_connection_broken(client: RelayClient, wire: bytes) -> None:
    head, _, body = wire.partition(b"\r\n\r\n")
    async with serving(replies_once(head + b"\r\n\r\n", body)) as server:
        response = await ask(client, server.url())
        with pytest.raises(ConnectionBroken):
            await read(response)

    assert client.open_connections() == 0


async def test_what_came_before_the_break_is_given(client: RelayClient) -> None:
    async with serving(replies_once(CHUNKED, b"5\r\nhello\r\n", b"zz\r\n")) as server:
        response = await ask(client, server.url())
        first = await response.read()
        with pytest.raises(ConnectionBroken):
            await response.read()

    assert first == b"hello"


async def test_what_has_not_been_read_is_gone_once_closed(client: RelayClient) -> None:
    async with serving(replies(CHUNKED + b"5\r\nhello\r\n")) as server:
        response = await ask(client, server.url())
        response.close()
        with pytest.raises(ConnectionBroken):
            await response.read()
