"""The adapter for OpenAI's API, when a connection breaks or never comes about."""

import asyncio
import time
from typing import Any

import pytest

from apps.common.clients import RelayClient
from apps.providers.adapters.bodies import MAX_ERROR_BYTES
from apps.providers.adapters.openai import OpenAIAdapter
from apps.providers.adapters.protocol import Outgoing, UpstreamBroken, UpstreamRefused
from tests.provider_stub import ProviderStub
from tests.providers.openai_adapter.calls import BODY, SECONDS, SECRET, a_candidate, opened, read, refusal_of


async def test_a_provider_that_is_not_there_is_unreachable(adapter: OpenAIAdapter) -> None:
    with ProviderStub() as gone:
        pass

    assert (await refusal_of(adapter, gone)).reason == "unreachable"


async def test_a_private_address_that_is_not_allowed_is_unreachable(adapter: OpenAIAdapter, stub: ProviderStub) -> None:
    refused = await refusal_of(adapter, stub, allow_private=False)

    assert refused.reason == "unreachable"
    assert stub.journal == []


@pytest.mark.parametrize("is_stream", [True, False])
async def test_a_provider_that_does_not_begin_is_left_when_the_caller_gives_up(
    adapter: OpenAIAdapter, stub: ProviderStub, is_stream: bool
) -> None:
    stub.will(hang_before_first_byte=True)
    started = time.monotonic()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await opened(adapter, stub, is_stream=is_stream)

    assert time.monotonic() - started < 20
    assert await asyncio.to_thread(stub.last.over.wait, 5)
    assert stub.last.left


async def test_an_error_whose_body_never_comes_is_classified_by_its_status(adapter: OpenAIAdapter) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 500 No\r\ncontent-length: 100\r\n\r\n{")
        await reader.read()  # until we hang up
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    address = "http://{}:{}/v1".format(*server.sockets[0].getsockname())
    outgoing = Outgoing(dialect="openai_chat", body=BODY, is_stream=False, request_id="req-1")

    async with asyncio.timeout(SECONDS):
        with pytest.raises(UpstreamRefused) as caught:
            await adapter.open(a_candidate(address, first_byte_timeout=0.2), outgoing)

    server.close()
    assert (caught.value.reason, caught.value.status) == ("error", 500)


async def test_a_provider_that_hangs_up_is_broken(adapter: OpenAIAdapter, stub: ProviderStub) -> None:
    stub.will(reset=True)

    assert (await refusal_of(adapter, stub)).reason == "broken"


async def test_a_provider_without_a_free_connection_is_busy(adapter: OpenAIAdapter, stub: ProviderStub) -> None:
    stub.will(pause_after=1)
    upstream = await opened(adapter, stub, is_stream=True, max_connections=1)

    refused = await refusal_of(adapter, stub, max_connections=1, first_byte_timeout=0.1)

    upstream.close()
    assert refused.reason == "busy"


@pytest.mark.parametrize("is_stream", [True, False], ids=["stream", "plain"])
async def test_a_kept_connection_that_closes_without_a_byte_is_replaced(
    adapter: OpenAIAdapter, stub: ProviderStub, is_stream: bool
) -> None:
    await read(await opened(adapter, stub))
    stub.will(close=True)

    assert b"Hello" in await read(await opened(adapter, stub, is_stream=is_stream))
    assert [exchange.connection for exchange in stub.journal] == [1, 1, 2]


async def test_a_new_connection_that_closes_without_a_byte_is_not(adapter: OpenAIAdapter, stub: ProviderStub) -> None:
    stub.will(close=True)

    assert (await refusal_of(adapter, stub)).reason == "broken"
    assert len(stub.journal) == 1


BREAKS = [(True, {"cut_after": 2}), (False, {"half_body": True})]


@pytest.mark.parametrize(("is_stream", "behaviour"), BREAKS, ids=["stream", "plain"])
async def test_an_answer_that_is_cut_is_broken(
    adapter: OpenAIAdapter, stub: ProviderStub, is_stream: bool, behaviour: dict[str, Any]
) -> None:
    stub.will(**behaviour)
    upstream = await opened(adapter, stub, is_stream=is_stream)

    with pytest.raises(UpstreamBroken):
        await read(upstream)


async def test_closing_stops_the_provider(adapter: OpenAIAdapter, stub: ProviderStub) -> None:
    stub.will(pause_after=1)
    upstream = await opened(adapter, stub, is_stream=True)
    await anext(upstream.chunks())

    upstream.close()

    assert await asyncio.to_thread(stub.last.over.wait, SECONDS)
    assert stub.last.left


async def test_closing_after_the_end_is_harmless(adapter: OpenAIAdapter, stub: ProviderStub) -> None:
    upstream = await opened(adapter, stub)
    await read(upstream)

    upstream.close()


async def test_a_refusal_leaves_no_connection_open(
    client: RelayClient, adapter: OpenAIAdapter, stub: ProviderStub
) -> None:
    behaviours: list[dict[str, Any]] = [{"reset": True}, {"status": 500}, {"status": 400}]
    behaviours.append({"status": 400, "body": b"x" * 10 * MAX_ERROR_BYTES})
    for behaviour in behaviours:
        stub.will(**behaviour)
        await refusal_of(adapter, stub)

    assert client.open_connections() == 0


async def test_no_secret_is_in_what_is_logged_of_a_refusal(adapter: OpenAIAdapter, stub: ProviderStub) -> None:
    stub.will(status=500)

    refused = await refusal_of(adapter, stub)

    assert SECRET.text not in f"{refused} {refused!r} {refused.detail}"
