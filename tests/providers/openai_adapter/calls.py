"""Calls to a provider through the adapter for OpenAI's API."""

import asyncio
from typing import Any

import pytest

from apps.common.clients import RelayLimits
from apps.providers.adapters.openai import OpenAIAdapter
from apps.providers.adapters.protocol import Outgoing, Upstream, UpstreamRefused
from apps.providers.catalogue import Secret
from apps.providers.routing import Candidate
from tests.provider_stub import ProviderStub
from tests.providers.test_routing import a_target

SECRET = Secret(id=1, label="main", text="provider-secret", weight=1)
BODY = {"model": "up", "messages": [{"role": "user", "content": "Hello"}], "novelty": {"deep": [None]}}
STREAM = {**BODY, "stream": True, "stream_options": {"include_usage": True}}
LIMITS = RelayLimits(connect_timeout=2, pool_timeout=2, keepalive_expiry=5, max_connections=10)
SECONDS = 5.0


def a_candidate(base_url: str, *, secret: Secret | None = SECRET, **overrides: Any) -> Candidate:
    seconds = overrides.get("first_byte_timeout", 3.0)
    limits = {"first_byte_timeout": seconds, "plain_timeout": seconds}
    values = {"base_url": base_url, "allow_private": True, **limits, **overrides}
    return Candidate(a_target("stub", **values), secret)


async def opened(adapter: OpenAIAdapter, stub: ProviderStub, *, is_stream: bool = False, **overrides: Any) -> Upstream:
    outgoing = Outgoing(
        dialect="openai_chat", body=STREAM if is_stream else BODY, is_stream=is_stream, request_id="req-1"
    )
    return await adapter.open(a_candidate(stub.base_url, **overrides), outgoing)


async def refusal_of(adapter: OpenAIAdapter, stub: ProviderStub, **options: Any) -> UpstreamRefused:
    with pytest.raises(UpstreamRefused) as caught:
        await opened(adapter, stub, **options)
    return caught.value


async def read(upstream: Upstream) -> bytes:
    async with asyncio.timeout(SECONDS):
        try:
            return b"".join([chunk async for chunk in upstream.chunks()])
        finally:
            upstream.close()
