"""The adapter for OpenAI's API, against a provider that misbehaves."""

from collections.abc import AsyncIterator

import pytest

from apps.common.clients import RelayClient
from apps.providers.adapters.openai import OpenAIAdapter
from tests.providers.openai_adapter.calls import LIMITS


@pytest.fixture
async def client() -> AsyncIterator[RelayClient]:
    client = RelayClient(LIMITS)
    yield client
    await client.close()


@pytest.fixture
def adapter(client: RelayClient) -> OpenAIAdapter:
    return OpenAIAdapter(client)
