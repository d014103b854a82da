"""The relay client, against real servers."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from apps.common.clients import (
    ConnectFailed,
    ConnectionBroken,
    RelayClient,
    RelayError,
    RelayLimits,
    RelayResponse,
)
from tests.provider_stub import ProviderStub

LIMITS = RelayLimits(connect_timeout=2, pool_timeout=2, keepalive_expiry=5, max_connections=10)
BODY = b'{"messages": []}'


@pytest.fixture
async def client() -> AsyncIterator[RelayClient]:
    client = RelayClient(LIMITS)
    yield client
    await client.close()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A port that is open, on all addresses of this machine, and answers nothing."""
    with socket.socket(socket.AF_INET6 if socket.has_ipv6 else socket.AF_INET) as listener:
        if socket.has_ipv6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(("", 0))
        listener.listen()
        listener.setblocking(False)
        yield listener


async def post(client: RelayClient, url: str, **options: Any) -> RelayResponse:
    values = {"body": BODY, "headers": {}, "patience": 3.0, "allow_private": True, **options}
    return await client.request("POST", url, **values)


async def read(response: RelayResponse) -> bytes:
    try:
        blocks = []
        while block := await response.read():
            blocks.append(block)
        return b"".join(blocks)
    finally:
        response.close()


async def test_it_brings_status_headers_and_body(client: RelayClient, stub: ProviderStub) -> None:
    stub.will(status=418, body=b"short and stout", headers={"x-kind": "teapot"})

    response = await post(client, stub.base_url, headers={"authorization": "Bearer s"})

    assert (response.status, response.headers["x-kind"]) == (418, "teapot")
    assert await read(response) == b"short and stout"
    assert (stub.last.method, stub.last.raw, stub.last.headers["authorization"]) == ("POST", BODY, "Bearer s")


async def test_a_refused_connection_is_connect_failed(client: RelayClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    with pytest.raises(ConnectFailed):
        await post(client, f"http://127.0.0.1:{port}/v1")


async def test_a_name_that_does_not_exist_is_connect_failed(client: RelayClient) -> None:
    with pytest.raises(ConnectFailed):
        await post(client, "http://nowhere.invalid/v1")


async def test_a_caller_that_waits_no_longer_hangs_up(client: RelayClient, stub: ProviderStub) -> None:
    stub.will(hang_before_first_byte=True)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await post(client, stub.base_url)

    assert await asyncio.to_thread(stub.last.over.wait, 5)
    assert stub.last.left


async def test_a_reset_after_the_request_is_connection_broken(client: RelayClient, stub: ProviderStub) -> None:
    stub.will(reset=True)

    with pytest.raises(ConnectionBroken):
        await post(client, stub.base_url)


async def test_a_cut_in_the_body_is_connection_broken(client: RelayClient, stub: ProviderStub) -> None:
    stub.will(cut_after=2)

    response = await post(client, stub.base_url, body=b'{"stream": true}')

    with pytest.raises(ConnectionBroken):
        await read(response)


async def test_an_answer_that_is_not_http_is_connection_broken(client: RelayClient) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        writer.close()

    async with await asyncio.start_server(babble, "127.0.0.1", 0) as server:
        with pytest.raises(RelayError):
            await post(client, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")


async def test_cookies_are_not_kept(client: RelayClient, stub: ProviderStub) -> None:
    stub.will(headers={"set-cookie": "session=1; Path=/"})
    await read(await post(client, stub.base_url))

    await read(await post(client, stub.base_url))

    assert "cookie" not in stub.last.headers


async def test_redirects_are_not_followed(client: RelayClient, stub: ProviderStub) -> None:
    stub.will(status=307, headers={"location": f"{stub.base_url}/elsewhere"})

    response = await post(client, stub.base_url)
    response.close()

    assert response.status == 307
    assert len(stub.journal) == 1


async def test_proxies_in_the_environment_are_not_used(
    client: RelayClient, stub: ProviderStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("all_proxy", "http://127.0.0.1:1")

    response = await post(client, stub.base_url)
    response.close()

    assert response.status == 200


async def test_compressed_bodies_stay_compressed(client: RelayClient, stub: ProviderStub) -> None:
    stub.will(gzip=True, body=b"squeezed")

    assert gzip.decompress(await read(await post(client, stub.base_url))) == b"squeezed"


async def test_a_body_that_was_read_frees_its_connection(client: RelayClient, stub: ProviderStub) -> None:
    stub.will(pause_after=1)
    response = await post(client, stub.base_url, body=b'{"stream": true}')
    in_use = client.open_connections()

    stub.go_on()
    await read(response)

    assert (in_use, client.open_connections()) == (1, 0)


async def test_a_response_that_is_closed_early_hangs_up(client: RelayClient, stub: ProviderStub) -> None:
    stub.will(pause_after=1)
    response = await post(client, stub.base_url, body=b'{"stream": true}')

    response.close()

    assert await asyncio.to_thread(stub.last.over.wait, 5)
    assert stub.last.left
    assert client.open_connections() == 0


async def test_a_cancelled_request_frees_its_connection(client: RelayClient, stub: ProviderStub) -> None:
    stub.will(hang_before_first_byte=True)
    task = asyncio.create_task(post(client, stub.base_url))
    await asyncio.to_thread(stub.wait_until, lambda: stub.journal)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await asyncio.to_thread(stub.last.over.wait, 5)
    assert client.open_connections() == 0


SPELLINGS = [
    "127.0.0.1",
    "localhost",
    "LOCALHOST",
    "[::1]",
    "0.0.0.0",
    "[::]",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "127.0.0.1.",
    "①②⑦.⓪.⓪.①",
]


@pytest.mark.parametrize("host", SPELLINGS)
async def test_no_spelling_of_loopback_gets_a_connection(
    client: RelayClient, listener: socket.socket, host: str
) -> None:
    url = f"http://{host}:{listener.getsockname()[1]}/v1"

    with pytest.raises(ConnectFailed):
        await post(client, url, allow_private=False, patience=1.0)

    with pytest.raises(BlockingIOError):
        listener.accept()


async def test_an_owner_who_allows_private_networks_gets_one(client: RelayClient, stub: ProviderStub) -> None:
    response = await post(client, stub.base_url, allow_private=True)
    response.close()

    assert response.status == 200
