"""Connections over TLS: to whom they are made, and that everything holds there as well."""

import asyncio
import socket
import ssl
from typing import Any

import pytest

from apps.common.clients import ConnectFailed, ConnectionBroken, RelayClient, RelayLimits
from tests.common.relay.certificates import DAY, Authority
from tests.common.relay.raw import CHUNKED, HELLO, OK, Peer, ask, fetch, read, replies, replies_once, serving, until


async def test_a_server_with_the_right_name_is_asked_over_one_connection(
    client: RelayClient, authority: Authority
) -> None:
    """The session tickets that come behind a handshake are no news of the server's."""
    names: list[Any] = []
    tls = authority.server("localhost")
    tls.sni_callback = lambda _, name, __: names.append(name)
    async with serving(replies(CHUNKED, b"2\r\nhe\r\n", b"3\r\nllo\r\n0\r\n\r\n"), tls=tls) as server:
        bodies = [await fetch(client, server.url("localhost", scheme="https")) for _ in range(3)]

    assert bodies == [b"hello"] * 3
    assert (server.connections, names) == (1, ["localhost"])


@pytest.mark.parametrize(("host", "at"), [("127.0.0.1", "127.0.0.1"), ("[::1]", "::1")])
async def test_an_address_may_be_the_name(client: RelayClient, authority: Authority, host: str, at: str) -> None:
    async with serving(replies(HELLO), host=at, tls=authority.server(at)) as server:
        body = await fetch(client, server.url(host, scheme="https"))

    assert body == b"hello"


@pytest.mark.asyncio(loop_factories=["asyncio"])  # the loop that asks Python for addresses
async def test_a_name_may_be_written_with_its_last_dot(
    client: RelayClient, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port, *_: [(2, 1, 6, "", ("127.0.0.1", port))])
    async with serving(replies(HELLO), tls=authority.server("localhost")) as server:
        body = await fetch(client, server.url("localhost.", scheme="https"))

    assert body == b"hello"
    assert b"\r\nhost: localhost:" in server.requests[0]


FORGED: list[Any] = [
    pytest.param("example.org", {}, id="another name"),
    pytest.param("localhost", {"is_signed": False}, id="signed by itself"),
    pytest.param("localhost", {"valid": -DAY}, id="expired"),
]


@pytest.mark.parametrize(("name", "form"), FORGED)
async def test_a_server_that_is_not_who_it_should_be_gets_nothing(
    client: RelayClient, authority: Authority, name: str, form: dict[str, Any]
) -> None:
    async with serving(replies(HELLO), tls=authority.server(name, **form)) as server:
        with pytest.raises(ConnectFailed, match="certificate verify failed"):
            await ask(client, server.url("localhost", scheme="https"))

    assert server.requests == []


async def test_a_server_without_tls_is_connect_failed(client: RelayClient) -> None:
    async def plain(peer: Peer) -> None:
        await peer.send(HELLO)

    async with serving(plain) as server:
        with pytest.raises(ConnectFailed):
            await ask(client, server.url(scheme="https"))


async def test_an_old_version_of_tls_is_refused(client: RelayClient, authority: Authority) -> None:
    tls = authority.server("localhost")
    with pytest.warns(DeprecationWarning):
        tls.minimum_version, tls.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    tls.set_ciphers("DEFAULT:@SECLEVEL=0")
    async with serving(replies(HELLO), tls=tls) as server:
        with pytest.raises(ConnectFailed):
            await ask(client, server.url("localhost", scheme="https"))


async def test_a_handshake_that_does_not_end_is_connect_failed() -> None:
    client = RelayClient(RelayLimits(connect_timeout=0.2, pool_timeout=1, keepalive_expiry=5, max_connections=1))
    left = asyncio.Event()

    async def silent(peer: Peer) -> None:
        await peer.has_left()
        left.set()

    async with serving(silent) as server:
        with pytest.raises(ConnectFailed, match="TimeoutError"):
            await ask(client, server.url(scheme="https"))
        await asyncio.wait_for(left.wait(), 5)

    assert client.open_connections() == 0
    await client.close()


async def test_a_cut_in_the_body_is_connection_broken(client: RelayClient, authority: Authority) -> None:
    wire = OK + b"content-length: 9\r\n\r\nhello"
    async with serving(replies_once(wire), tls=authority.server("localhost")) as server:
        response = await ask(client, server.url("localhost", scheme="https"))
        with pytest.raises(ConnectionBroken):
            await read(response)


@pytest.mark.parametrize("end", ["orderly", "half", "abrupt"])
async def test_a_body_that_ends_with_its_connection_is_whole(
    client: RelayClient, authority: Authority, end: str
) -> None:
    """Many servers close TCP without closing TLS before. Whoever reads the body knows whether it is whole."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK + b"\r\n", b"hello")
        if end == "half":
            peer.writer.get_extra_info("socket").shutdown(socket.SHUT_WR)
        elif end == "abrupt":
            peer.writer.transport.abort()

    async with serving(script, tls=authority.server("localhost")) as server:
        response = await ask(client, server.url("localhost", scheme="https"))

        assert await read(response) == b"hello"


async def test_a_connection_that_the_server_has_closed_is_not_used(client: RelayClient, authority: Authority) -> None:
    async with serving(replies_once(HELLO), tls=authority.server("localhost")) as server:
        for _ in range(2):
            assert await fetch(client, server.url("localhost", scheme="https")) == b"hello"
            await until(lambda: server.open == 0)

    assert server.connections == 2


async def test_large_bodies_go_both_ways(client: RelayClient, authority: Authority) -> None:
    large = b"x" * 5_000_000
    wire = OK + b"content-length: %d\r\n\r\n" % len(large)
    async with serving(replies(wire, large), tls=authority.server("localhost")) as server:
        body = await fetch(client, server.url("localhost", scheme="https"), body=large)

    assert body == large
    assert server.requests[0].endswith(b"\r\n\r\n" + large)
