"""What goes out, and to whom."""

import pytest

from apps.common.clients import ConnectFailed, RelayClient
from tests.common.relay.raw import HELLO, OK, Peer, ask, fetch, replies, serving


async def test_nothing_goes_out_that_was_not_asked_for(client: RelayClient) -> None:
    async with serving(replies(HELLO)) as server:
        await fetch(client, server.url(), body=b"body", headers={"accept": "text/plain", "x-name": "Ä"})

    host = b"host: 127.0.0.1:%d" % server.port
    assert server.requests[0].split(b"\r\n") == [
        *(b"POST /v1 HTTP/1.1", host, b"accept: text/plain", b"x-name: \xc3\x84", b"content-length: 4", b"", b"body")
    ]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("", b"GET / "),
        ("/", b"GET / "),
        ("?a=b", b"GET /?a=b "),
        ("/a%20b/c?d=e%26&f[]=g#h", b"GET /a%20b/c?d=e%26&f%5B%5D=g "),
        ("/ä b", b"GET /%C3%A4%20b "),
        ("/a\r\nx: y", b"GET /ax:%20y "),
    ],
)
async def test_a_path_goes_out_as_it_is_written_and_in_ascii(client: RelayClient, path: str, line: bytes) -> None:
    async with serving(replies(HELLO)) as server:
        await fetch(client, f"http://127.0.0.1:{server.port}{path}", "GET")

    assert server.requests[0].startswith(line + b"HTTP/1.1\r\n")


async def test_an_ipv6_address_stands_in_brackets(client: RelayClient) -> None:
    async with serving(replies(HELLO), host="::1") as server:
        await fetch(client, server.url("[::1]"))

    assert b"\r\nhost: [::1]:%d\r\n" % server.port in server.requests[0]


@pytest.mark.parametrize("header", [{"x-a": "b\r\nx-c: d"}, {"x-a": "b\n"}, {"x-a\r": "b"}, {"x-a": "b\0"}])
async def test_a_header_with_a_line_break_is_not_sent(client: RelayClient, header: dict[str, str]) -> None:
    async with serving(replies(HELLO)) as server:
        with pytest.raises(ValueError, match="line break"):
            await ask(client, server.url(), headers=header)

    assert server.connections == 0


@pytest.mark.parametrize(
    "url", ["", "nothing", "ftp://localhost/", "http://", "http://[::1", "http://localhost:99999/", "http://a..b/"]
)
async def test_a_url_that_is_none_is_connect_failed(client: RelayClient, url: str) -> None:
    with pytest.raises(ConnectFailed):
        await ask(client, url)


@pytest.mark.parametrize("host", [f"{'a' * 64}.example", "ä" * 64, ".", "ä..b"])
async def test_a_name_that_is_none_is_connect_failed(client: RelayClient, host: str) -> None:
    with pytest.raises(ConnectFailed):
        await ask(client, f"http://{host}/")


async def test_a_large_body_reaches_a_server_that_reads_slowly(client: RelayClient) -> None:
    large = bytes(range(256)) * 40_000

    async def slow(peer: Peer) -> None:
        head = await peer.reader.readuntil(b"\r\n\r\n")
        received = b""
        while len(received) < len(large):
            received += await peer.reader.read(500_000)
            await peer.send()
        assert received == large
        assert b"content-length: %d\r\n" % len(large) in head
        await peer.send(HELLO)

    async with serving(slow) as server:
        assert await fetch(client, server.url(), body=large) == b"hello"


async def test_an_answer_that_goes_on_while_the_request_goes_out_is_read(client: RelayClient) -> None:
    large = b"x" * 10_000_000

    async def echo(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(OK + b"content-length: %d\r\n\r\n" % len(large))
        left = len(large)
        while left:
            block = await peer.reader.read(65_536)
            left -= len(block)
            peer.writer.write(block)
            await peer.writer.drain()
        await peer.has_left()

    async with serving(echo) as server:
        assert await fetch(client, server.url(), body=large) == large
