"""Requests whose body comes in pieces, with a raw target and raw headers."""

import asyncio
import os
from collections.abc import AsyncIterator

import pytest

from apps.common.clients import BodyBroken, ConnectionBroken, RelayClient
from tests.common.relay.bodies import BLOCK, Endless, pieces
from tests.common.relay.certificates import Authority
from tests.common.relay.raw import CHUNKED, HELLO, OK, Peer, Script, ask, fetch, read, replies, serving, until


def takes(count: int, answer: bytes) -> Script:
    """Reads so many bytes of a body, and answers."""

    async def script(peer: Peer) -> None:
        while True:
            head = await peer.reader.readuntil(b"\r\n\r\n")
            peer.server.requests.append(head + await peer.reader.readexactly(count))
            await peer.send(answer)

    return script


# What goes out


@pytest.mark.parametrize(
    "target", [b"/", b"/a%2Fb/../c//d;e?f=g%20h&&i", b"/?", b"/a?b?c=[]{}|^`\"'<>\\", b"*", b"/%zz%", b"/a/./b%2e%2e/"]
)
async def test_a_raw_target_goes_out_as_it_is(client: RelayClient, target: bytes) -> None:
    async with serving(replies(HELLO)) as server:
        await fetch(client, server.url(), "GET", target=target, headers=[], body=b"")

    assert server.requests == [b"GET %s HTTP/1.1\r\nhost: 127.0.0.1:%d\r\n\r\n" % (target, server.port)]


async def test_raw_headers_go_out_in_order_and_repeated(client: RelayClient) -> None:
    pairs = [(b"x-b", b"1"), (b"x-a", b"\xe9"), (b"x-b", b" 2"), (b"x-c", b"")]
    async with serving(replies(HELLO)) as server:
        await fetch(client, server.url(), "PATCH", target=b"/", headers=pairs, body=b"body")

    assert server.requests[0].split(b"\r\n")[2:] == [
        *(b"x-b: 1", b"x-a: \xe9", b"x-b:  2", b"x-c: ", b"content-length: 4", b"", b"body")
    ]


async def test_a_host_among_the_headers_is_sent_instead_of_the_instances(client: RelayClient) -> None:
    async with serving(replies(HELLO)) as server:
        await fetch(client, server.url(), "GET", headers=[(b"host", b"example.org")], body=b"")

    assert server.requests == [b"GET /v1 HTTP/1.1\r\nhost: example.org\r\n\r\n"]


async def test_the_framing_is_the_clients_own(client: RelayClient) -> None:
    pairs = [(b"content-length", b"9"), (b"transfer-encoding", b"chunked"), (b"connection", b"close")]
    async with serving(replies(HELLO)) as server:
        await fetch(client, server.url(), headers=pairs, body=b"body")

    assert server.requests[0].endswith(b"%d\r\ncontent-length: 4\r\n\r\nbody" % server.port)


@pytest.mark.parametrize(
    ("method", "line"), [("GET", b""), ("HEAD", b""), ("DELETE", b""), ("POST", b"content-length: 0\r\n")]
)
async def test_no_body_has_no_length_where_none_is_expected(client: RelayClient, method: str, line: bytes) -> None:
    async with serving(replies(OK + b"content-length: 0\r\n\r\n")) as server:
        await fetch(client, server.url(), method, headers=[], body=b"")

    assert server.requests[0].endswith(b"host: 127.0.0.1:%d\r\n%s\r\n" % (server.port, line))


@pytest.mark.parametrize(
    "values",
    [
        {"target": b"/a b"},
        {"target": b"/\r\nx: y"},
        {"target": b"/\xc3\xa4"},
        {"target": b"/\x7f"},
        {"target": b""},
        {"headers": [(b"x-a", b"b\r\nx-c: d")]},
        {"headers": [(b"x-a", b"b\n")]},
        {"headers": [(b"x-a", b"\0")]},
        {"headers": [(b"x-a\r", b"b")]},
        {"headers": [(b"x a", b"b")]},
        {"headers": [(b"", b"b")]},
        {"headers": [(b"Content-Length", b"9")]},
        {"headers": [(b"x-a:b", b"c")]},
        {"method": "GET /\r\n"},
        {"method": ""},
        {"length": -1},
    ],
    ids=str,
)
async def test_what_would_be_another_request_is_not_sent(client: RelayClient, values: dict[str, object]) -> None:
    async with serving(replies(HELLO)) as server:
        with pytest.raises(ValueError, match=r"."):
            await ask(client, server.url(), **{"headers": [], "target": b"/", "body": pieces(b"x"), **values})  # type: ignore[arg-type]

    assert server.connections == 0


async def test_a_streamed_body_goes_out_by_its_length(client: RelayClient) -> None:
    async with serving(takes(9, HELLO)) as server:
        bodies = [
            await fetch(client, server.url(), headers=[], body=pieces(b"one", b"", b"two", b"end"), length=9)
            for _ in range(2)
        ]

    assert bodies == [b"hello"] * 2
    assert server.requests[1].endswith(b"content-length: 9\r\n\r\nonetwoend")
    assert server.connections == 1


async def test_a_streamed_body_without_a_length_goes_out_in_chunks(client: RelayClient) -> None:
    sent = b"3\r\none\r\n10000\r\n" + BLOCK + b"\r\n0\r\n\r\n"
    async with serving(takes(len(sent), HELLO)) as server:
        for _ in range(2):
            await fetch(client, server.url(), headers=[], body=pieces(b"one", b"", BLOCK), length=None)

    assert server.requests[1].endswith(b"\r\ntransfer-encoding: chunked\r\n\r\n" + sent)
    assert server.connections == 1


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_large_streamed_body_arrives_whole(client: RelayClient, authority: Authority, scheme: str) -> None:
    tls = authority.server("127.0.0.1") if scheme == "https" else None
    async with serving(takes(100 * len(BLOCK), HELLO), tls=tls) as server:
        url = server.url(scheme=scheme)
        answer = await fetch(client, url, headers=[], body=pieces(*[BLOCK] * 100), length=100 * len(BLOCK))

    assert (answer, server.requests[0].endswith(b"\r\n\r\n" + BLOCK * 100)) == (b"hello", True)


# What comes back


async def test_pairs_are_all_headers_in_order_and_repeated(client: RelayClient) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
    head = b"Set-Cookie: a=1\r\nX-Odd:  \xe9 \t\r\nset-cookie: b=2\r\nX-Empty:\r\ncontent-length: 0\r\n\r\n"
    async with serving(replies(early + OK + head)) as server:
        response = await ask(client, server.url(), headers=[])
        response.close()

    assert response.pairs == [
        (b"set-cookie", b"a=1"),
        (b"x-odd", b"\xe9"),
        (b"set-cookie", b"b=2"),
        (b"x-empty", b""),
        (b"content-length", b"0"),
    ]


async def test_trailers_are_not_among_the_pairs(client: RelayClient) -> None:
    async with serving(replies(CHUNKED + b"0\r\nx-late: 1\r\n\r\n")) as server:
        response = await ask(client, server.url(), headers=[])
        await read(response)

    assert response.pairs == [(b"transfer-encoding", b"chunked")]


# Bodies that are not what was announced


@pytest.mark.parametrize("content", [(b"one",), (b"one", b"two", b"three"), ()], ids=["shorter", "longer", "nothing"])
async def test_a_body_of_another_length_than_announced_is_body_broken(
    client: RelayClient, content: tuple[bytes, ...]
) -> None:
    received = b""

    async def script(peer: Peer) -> None:
        nonlocal received
        await peer.reader.readuntil(b"\r\n\r\n")
        received = await peer.reader.read()

    async with serving(script) as server:
        with pytest.raises(BodyBroken):
            await ask(client, server.url(), headers=[], body=pieces(*content), length=6)
        await until(lambda: server.open == 0)

    assert received in (b"onetwo", b"one", b"")  # nothing beyond what was announced
    assert client.open_connections() == 0


async def test_what_a_body_raises_comes_out_and_the_connection_is_closed(client: RelayClient) -> None:
    async def leaves() -> AsyncIterator[bytes]:
        yield b"one"
        raise LookupError("the client left")

    async with serving(takes(6, HELLO)) as server:
        with pytest.raises(LookupError, match="the client left"):
            await ask(client, server.url(), headers=[], body=leaves(), length=6)
        await until(lambda: server.open == 0)

    assert client.open_connections() == 0


async def test_what_a_body_raises_comes_out_of_an_answer_that_has_begun(client: RelayClient) -> None:
    async def leaves() -> AsyncIterator[bytes]:
        yield b"one"
        await begun.wait()
        raise LookupError("the client left")

    begun = asyncio.Event()
    async with serving(takes(3, OK + b"content-length: 9\r\n\r\nhel")) as server:
        response = await ask(client, server.url(), headers=[], body=leaves(), length=6)
        first = await response.read()
        begun.set()
        with pytest.raises(LookupError):
            await response.read()

    assert (first, client.open_connections()) == (b"hel", 0)


# Back-pressure


async def test_a_server_that_does_not_read_holds_up_the_body(client: RelayClient) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(60)

    body = Endless()
    async with serving(script) as server:
        asking = asyncio.create_task(ask(client, server.url(), headers=[], body=body))
        await asyncio.sleep(0.3)
        before = body.taken
        await asyncio.sleep(0.1)
        after = body.taken
        asking.cancel()
        await asyncio.wait([asking])

    assert (before, before * len(BLOCK) < 16_000_000) == (after, True)  # what two sockets hold
    assert (body.is_closed, client.open_connections()) == (True, 0)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_leaving_in_the_middle_of_a_body_closes_it(
    client: RelayClient, authority: Authority, scheme: str
) -> None:
    tls = authority.server("127.0.0.1") if scheme == "https" else None

    async def script(peer: Peer) -> None:
        await peer.has_left()

    async with serving(script, tls=tls) as server:
        files = len(os.listdir("/proc/self/fd"))
        for pause in (0, 0.001, 0.02, 0.05):
            body = Endless()
            asking = asyncio.create_task(ask(client, server.url(scheme=scheme), headers=[], body=body))
            await asyncio.sleep(pause)
            asking.cancel()
            await asyncio.wait([asking])
            assert (body.is_closed, client.open_connections()) == (body.has_begun, 0)
        await until(lambda: server.open == 0 and len(os.listdir("/proc/self/fd")) <= files)


async def test_a_cut_in_the_middle_of_a_body_is_connection_broken(client: RelayClient) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        peer.reset()

    body = Endless()
    async with serving(script) as server:
        with pytest.raises(ConnectionBroken):
            await ask(client, server.url(), headers=[], body=body)

    assert (body.is_closed, client.open_connections()) == (True, 0)


async def test_a_streamed_body_is_never_sent_again(client: RelayClient) -> None:
    """A part of it is gone when the server turns out to have closed."""

    async def once(peer: Peer) -> None:
        await peer.request()
        await peer.send(HELLO)
        await peer.reader.readuntil(b"\r\n\r\n")

    async with serving(once) as server:
        await fetch(client, server.url())
        with pytest.raises(ConnectionBroken):
            await ask(client, server.url(), "PUT", headers=[], body=pieces(b"x"), length=1, may_repeat=True)

    assert server.connections == 1
