"""httpx behind the address guard: whom it connects to, under which name, and what it does not follow."""

import socket
from typing import Any

import httpx
import pytest

from apps.common.addresses import ForbiddenAddress
from apps.common.guarded import guarded_client
from tests.common.relay.certificates import Authority
from tests.common.relay.raw import HELLO, OK, replies, serving

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])


async def get(url: str, *, allow_private: bool = True) -> httpx.Response:
    async with guarded_client(allow_private=allow_private, seconds=5) as client:
        return await client.get(url)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f.1", "[::ffff:127.0.0.1]"])
async def test_a_private_address_is_not_connected_to(host: str) -> None:
    async with serving(replies(HELLO)) as server:
        with pytest.raises(ForbiddenAddress):
            await get(server.url(host), allow_private=False)

    assert server.connections == 0


async def test_the_name_stays_that_of_the_url(authority: Authority) -> None:
    names: list[Any] = []
    tls = authority.server("localhost")
    tls.sni_callback = lambda _, name, __: names.append(name)
    async with serving(replies(HELLO), tls=tls) as server:
        response = await get(server.url("localhost", scheme="https"))

    assert response.text == "hello"
    assert names == ["localhost"]
    assert b"\r\nHost: localhost:%d\r\n" % server.port in server.requests[0]


async def test_a_certificate_for_another_name_is_refused(authority: Authority) -> None:
    async with serving(replies(HELLO), tls=authority.server("example.org")) as server:
        with pytest.raises(httpx.ConnectError):
            await get(server.url("localhost", scheme="https"))

    assert server.requests == []


async def test_the_address_that_was_checked_is_the_one_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    lookups = []

    def once(host: str, port: int, **_: Any) -> list[Any]:
        lookups.append(host)
        assert len(lookups) == 1
        return [(2, 1, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", once)
    async with serving(replies(HELLO)) as server:
        response = await get(server.url("provider.example"))

    assert response.text == "hello"


async def test_the_next_address_is_tried_if_one_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = ("127.0.0.2", "127.0.0.1")
    monkeypatch.setattr(socket, "getaddrinfo", lambda _, port, **__: [(2, 1, 6, "", (a, port)) for a in addresses])
    async with serving(replies(HELLO)) as server:
        response = await get(server.url("provider.example"))

    assert response.text == "hello"


async def test_neither_redirects_nor_proxies_of_the_environment_are_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    wire = OK.replace(b"200 OK", b"302 Found") + b"location: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"
    async with serving(replies(wire)) as server:
        response = await get(server.url())

    assert response.status_code == 302
